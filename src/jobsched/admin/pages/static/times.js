// Relative times stay true, by the server's clock; in the viewer's own zone on request.
const UNITS = [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]];

let ahead = 0; // of the server's clock, in ms

/** Take the server's time from a response's Date. */
export function learn(date) {
  const at = Date.parse(date ?? "");
  const off = at + 500 - Date.now(); // Date is whole seconds
  if (!Number.isNaN(off)) ahead = Math.abs(off) < 1500 ? 0 : off;
}

const now = () => Date.now() + ahead;

/** As `phrases.relative`: `in 12 min`, `3 h ago`. */
export function relative(ms) {
  if (Math.abs(ms) < 1000) return "now";
  const about = length(Math.trunc(Math.abs(ms) / 1000));
  return ms > 0 ? `in ${about}` : `${about} ago`;
}

function length(seconds) {
  for (const [unit, size, smaller, part] of UNITS) {
    if (seconds < size) continue;
    const whole = Math.floor(seconds / size);
    const rest = Math.floor((seconds % size) / part);
    return whole < 10 && rest ? `${whole} ${unit} ${rest} ${smaller}` : `${whole} ${unit}`;
  }
  return `${seconds} s`;
}

/** Rewrite what has changed, and show what needs scripts; elements with `data-local` say the viewer's own time instead. */
export function tell(within = document) {
  for (const shown of within.querySelectorAll("[data-if-scripts][hidden]")) shown.hidden = false;
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    const said = "local" in time.dataset ? local(at) : relative(at - now());
    if (time.textContent !== said) time.textContent = said;
  }
}

const LOCAL = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
const MINUTES = new Intl.DateTimeFormat("sv", LOCAL);
const SECONDS = new Intl.DateTimeFormat("sv", { ...LOCAL, second: "2-digit" });

/** `2026-03-02 13:00 CET` where the viewer is. */
export const local = (at) => (at % 60000 ? SECONDS : MINUTES).format(at);

// The tooltip says the viewer's time too; made when it is looked for, there are hundreds.
for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, ({ target }) => {
    const time = target.closest?.("time[title]:not([data-told])");
    if (!time) return;
    const own = local(Date.parse(time.dateTime));
    if (own !== time.title) time.title += `\n${own}`;
    time.dataset.told = "";
  });
}

tell();
setInterval(() => document.hidden || tell(), 1000);
