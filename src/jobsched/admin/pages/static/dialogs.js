// Links to a page that asks open it as a dialog; its form is sent from there.
import { look } from "./live.js";

const dialog = document.createElement("dialog");
let opener = null;

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-dialog], a.switch");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  opener = link;
  open(link.href);
});

async function open(href) {
  try {
    const response = await fetch(href);
    if (!show(await response.text())) location.assign(href);
  } catch {
    say("The server does not answer. Nothing was changed; try again.");
  }
}

/** The part of this page that asks, or says why not; false when it has neither. */
function show(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const asked = page.querySelector("[data-ask], [data-problem]");
  if (!asked) return false;
  asked.classList.remove("card");
  put(document.importNode(asked, true));
  return true;
}

function say(text) {
  const said = document.createElement("p");
  const close = document.createElement("button");
  said.append(text);
  said.setAttribute("role", "alert");
  close.append("Close");
  close.dataset.close = "";
  const whole = document.createElement("div");
  whole.className = "ask";
  whole.append(said, close);
  put(whole);
}

function put(content) {
  if (!dialog.isConnected) document.body.append(dialog);
  dialog.replaceChildren(content);
  const heading = dialog.querySelector("h1, [role=alert]");
  heading.id = "asked";
  heading.tabIndex = -1;
  dialog.setAttribute("aria-labelledby", "asked");
  if (!dialog.open) dialog.showModal();
  const field = dialog.querySelector("input:not([type=hidden]), textarea, select, button:not([data-close])");
  (dialog.querySelector("[role=alert]") ? heading : (field ?? heading)).focus();
}

dialog.addEventListener("click", (event) => {
  const closes = event.target.closest("[data-close]");
  if (!closes && event.target !== dialog) return;
  if (closes) event.preventDefault();
  if (closes || !typed()) dialog.close();
});

/** Whether somebody has filled in something that a stray click should not throw away. */
const typed = () => [...dialog.querySelectorAll("textarea, input")].some((one) => one.value !== one.defaultValue);

dialog.addEventListener("close", () => {
  dialog.replaceChildren();
  if (!opener) return;
  (opener.isConnected ? opener : document.querySelector(`a[href="${CSS.escape(opener.getAttribute("href"))}"]`))?.focus();
});

dialog.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const buttons = form.querySelectorAll("button");
  const body = new URLSearchParams(new FormData(form, event.submitter));
  for (const button of buttons) button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body });
    if (response.redirected) return done(response.url);
    if (show(await response.text())) return;
    say("The server refused, without saying why.");
  } catch {
    say("The server does not answer. Look whether it was done before you try again.");
  }
});

/** Go where the effect is seen; or stay, where it is seen here. */
async function done(url) {
  if (!opener?.matches(".switch")) return location.assign(url);
  const key = opener.closest("[data-live]")?.dataset.live ?? "";
  opener = null; // its row could not change while it has the focus, which comes back below
  dialog.close();
  document.activeElement?.blur();
  await look();
  if (document.activeElement === document.body) document.querySelector(`[data-live="${CSS.escape(key)}"] .switch`)?.focus();
}
