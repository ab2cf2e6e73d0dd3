// The page asks for itself, and takes over what has changed: elements with a key and a version.
import { learn, tell } from "./times.js";

const BUSY = 2000, IDLE = 10000, LONGEST = 60000;
const main = document.getElementById("main");
const isLive = () => main.querySelector("[data-live], [data-live-list], .empty");

let known = null; // the ETag of what is shown
let good = Date.now(); // when the server answered last
let failures = 0;
let silent; // who does not answer
let timer;

/** Look for changes, and go on looking. */
export async function look() {
  clearTimeout(timer);
  if (document.hidden || !isLive()) return;
  try {
    silent = "server";
    // By hand: browsers do not ask a server of HTTP/1.0, such as wsgiref, about an ETag in their cache.
    const response = known
      ? await fetch(location.href, { cache: "no-store", headers: { "If-None-Match": known } })
      : await fetch(location.href, { cache: "no-cache" });
    if (response.status === 401 || response.redirected) return location.reload();
    if (response.status === 503) silent = "database";
    if (!response.ok && response.status !== 304) throw new Error(response.status);
    const tag = response.headers.get("etag");
    learn(response.headers.get("date"));
    if (response.status !== 304) {
      take(new DOMParser().parseFromString(await response.text(), "text/html"));
      known = held ? null : tag;
    }
    good = Date.now();
    failures = 0;
  } catch {
    failures++;
  }
  stale();
  const calm = "liveBusy" in main.dataset ? BUSY : IDLE;
  clearTimeout(timer); // of another look, which was under way at the same time
  timer = setTimeout(look, failures ? Math.min(BUSY * 2 ** (failures - 1), LONGEST) : calm);
}

let held; // whether something was left as it was, for somebody is at it

const inUse = (element) => document.activeElement !== document.body && element.contains(document.activeElement);

function take(fresh) {
  const there = fresh.getElementById("main");
  held = document.querySelector("dialog[open]") !== null;
  if (!there || held) return;
  main.toggleAttribute("data-live-busy", "liveBusy" in there.dataset);
  if (lists(there) !== lists(main)) { // another page than it was
    held = document.activeElement !== main && inUse(main); // a click gives main itself the focus
    return held || location.reload();
  }
  const said = [];
  for (const list of main.querySelectorAll("[data-live-list]")) {
    const next = there.querySelector(`[data-live-list="${CSS.escape(list.dataset.liveList)}"]`);
    if (next) arrange(list, next);
  }
  for (const next of there.querySelectorAll("[data-live]")) replace(next, said);
  tell(main);
  if (said.length) document.getElementById("said").textContent = said.filter(Boolean).slice(0, 3).join(". ");
}

/** What is read out when it changes: its sentence, or a row's name and state. */
function says(element) {
  const state = element.querySelector(".status")?.textContent;
  const name = element.querySelector("[data-row], td:nth-child(2) > a")?.textContent;
  return element.dataset.says ?? (name && state ? `${name}: ${state}` : "");
}

const lists = (within) => [...within.querySelectorAll("[data-live-list]")].map((list) => list.dataset.liveList).join();

const named = (within, key) => within.querySelector(`[data-live="${CSS.escape(key)}"]`);

function replace(next, said) {
  const shown = named(main, next.dataset.live);
  if (!shown || shown.dataset.version === next.dataset.version) return;
  if (inUse(shown)) {
    held = true;
    return;
  }
  if (says(next) !== says(shown)) said.push(says(next));
  for (const open of shown.querySelectorAll("details[open][id]")) {
    next.querySelector(`details[id="${CSS.escape(open.id)}"]`)?.setAttribute("open", "");
  }
  const taken = document.importNode(next, true);
  taken.classList.add("new");
  shown.replaceWith(taken);
}

/** The list's keyed children, as the new one has them; rows with the focus stay where they are. */
function arrange(list, next) {
  const keys = [...next.children].map((child) => child.dataset.live);
  const wanted = new Set(keys);
  for (const child of [...list.children]) {
    if (wanted.has(child.dataset.live)) continue;
    if (inUse(child)) held = true;
    else child.remove();
  }
  let at = list.firstElementChild;
  for (const [index, key] of keys.entries()) {
    let child = [...list.children].find((one) => one.dataset.live === key);
    if (!child) {
      child = document.importNode(next.children[index], true);
      child.classList.add("new");
    } else if (child === at) {
      at = at.nextElementSibling;
      continue;
    } else if (inUse(child)) {
      held = true; // moved, it would lose the focus
      continue;
    }
    list.insertBefore(child, at);
  }
}

function stale() {
  const bar = document.getElementById("stale");
  bar.hidden = failures < 2;
  if (bar.hidden || bar.firstChild) {
    if (bar.hidden) bar.replaceChildren();
    return;
  }
  const since = document.createElement("time");
  since.dateTime = new Date(good).toISOString();
  since.dataset.local = "";
  bar.append("Stale since ", since, `: the ${silent} does not answer. Trying again.`);
  tell(bar);
}

// A page that said that the database does not answer: shown again once it does.
if (document.querySelector("[data-retry]")) {
  setInterval(async () => {
    const response = await fetch(location.href, { cache: "no-store" }).catch(() => null);
    if (response && response.status !== 503) location.reload();
  }, 5000);
}

document.addEventListener("visibilitychange", look);
addEventListener("pageshow", look);
addEventListener("online", look);
