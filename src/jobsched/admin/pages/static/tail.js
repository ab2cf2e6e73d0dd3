// The log of a job run, followed: new lines as text, and no more of them than the page can bear.
const MOST = 2000, EVERY = 1500, LONGEST = 60000;
// Control characters and what turns a line around are shown, not obeyed; as the server does it.
const HARMFUL = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const LEVELS = { WARNING: "warn", ERROR: "bad", CRITICAL: "bad" };

const shown = (char) => {
  const code = char.codePointAt(0);
  return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
};
const harmless = (text) => text.replace(HARMFUL, shown);

for (const box of document.querySelectorAll("[data-tail]")) follow(box);

function follow(box) {
  const section = box.closest("section");
  const state = section.querySelector("[data-tail-state]");
  const earlier = section.querySelector("[data-earlier]");
  let after = box.dataset.after, failures = 0, timer, asking = false;
  let ended = "ended" in box.dataset;

  const atEnd = () => box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  const toEnd = () => { box.scrollTop = box.scrollHeight; };

  function add(lines) {
    const follows = atEnd();
    box.append(...lines.map(line));
    drop();
    if (follows) toEnd();
    section.querySelector("[data-tail-none]")?.remove();
  }

  function drop() {
    const surplus = box.childElementCount - MOST;
    if (surplus <= 0) return;
    const height = box.scrollHeight, top = box.scrollTop;
    for (let n = 0; n < surplus; n++) box.firstElementChild.remove();
    box.scrollTop = Math.max(0, top - (height - box.scrollHeight));
    const count = +earlier.dataset.earlier + surplus;
    earlier.dataset.earlier = count;
    earlier.textContent = count + (count === 1 ? " earlier line" : " earlier lines");
    const link = new URL(earlier.href);
    link.searchParams.set("before", box.firstElementChild.dataset.id);
    earlier.href = link;
    earlier.parentElement.hidden = false;
  }

  async function ask() {
    clearTimeout(timer);
    if (document.hidden || asking || ended) return;
    asking = true;
    let more = false;
    try {
      const response = await fetch(`${box.dataset.tail}?after=${after}&limit=1000`, { cache: "no-cache" });
      if (!response.ok) throw new Error(response.status);
      const found = await response.json();
      if (found.items.length) add(found.items);
      after = found.after;
      more = found.next !== null;
      ended = found.ended && !more;
      failures = 0;
    } catch {
      failures++;
    }
    asking = false;
    state.textContent = ended ? "ended" : failures > 1 ? "no answer, trying again" : "following";
    if (!ended) timer = setTimeout(ask, more ? 0 : Math.min(EVERY * 2 ** failures, LONGEST));
  }

  toEnd();
  document.addEventListener("visibilitychange", ask);
  ask();
}

function line(one) {
  const row = document.createElement("p");
  const time = document.createElement("span");
  const level = document.createElement("b");
  row.dataset.id = one.id;
  if (LEVELS[one.level]) row.className = LEVELS[one.level];
  time.title = one.created_at;
  time.append(one.created_at.slice(11, 23));
  level.append(harmless(one.level));
  row.append(time, " ", level, " ", harmless(one.message));
  return row;
}
