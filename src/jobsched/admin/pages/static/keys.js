// `/` search, `j` and `k` from row to row, Enter opens (a row's link has the focus), `?` help.
const KEYS = [
  ["/", "search"],
  ["j, k", "next, previous row"],
  ["Enter", "open the row"],
  ["?", "this help"],
  ["Esc", "close"],
];

const inField = (element) => element.closest?.("input, textarea, select, [contenteditable]");

const actions = {
  "/": () => focus(document.querySelector("input[type=search]")),
  "?": help,
  j: () => step(1),
  k: () => step(-1),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (inField(event.target) || document.querySelector("dialog[open]")) return;
  const action = actions[event.key];
  if (action && action() !== false) event.preventDefault();
});

function focus(element) {
  if (!element) return false;
  element.focus();
  element.select?.();
}

function step(by) {
  const rows = [...document.querySelectorAll("#main [data-row], .home td:nth-child(2) > a")];
  const at = rows.findIndex((row) => row === document.activeElement || row.closest("tr, li")?.contains(document.activeElement));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  if (!next) return false;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function help() {
  const dialog = document.createElement("dialog");
  const list = document.createElement("dl");
  const heading = document.createElement("h2");
  const close = document.createElement("button");
  dialog.setAttribute("aria-labelledby", "keys");
  heading.id = "keys";
  heading.append("Keys");
  close.append("Close");
  list.className = "facts";
  for (const [key, does] of KEYS) {
    const term = list.appendChild(document.createElement("dt"));
    term.appendChild(document.createElement("kbd")).append(key);
    list.appendChild(document.createElement("dd")).append(does);
  }
  dialog.className = "stack";
  dialog.append(heading, list, close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.getElementById("foot").hidden = false;
