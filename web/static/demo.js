/**
 * The editors' page without reloads. The server makes the HTML to copy; here its page for the
 * options as they stand is fetched, and what they change is taken from it.
 */

import { copy } from "./copying.js";
import { pageAt } from "./pages.js";

const PAUSE = 250; // milliseconds, so that not every letter of a heading asks

const form = document.getElementById("options");
const [preview, status, hint] = ["preview", "status", "heading-hint"].map((id) =>
  document.getElementById(id),
);
let waiting = 0;
let newest = "";

async function show() {
  const address = `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
  newest = address;
  let page;
  try {
    page = await pageAt(address);
  } catch {
    form.submit(); // whatever is wrong, the server says it
    return;
  }
  if (address !== newest) return; // the options have changed again meanwhile
  history.replaceState(null, "", address);
  for (const id of ["element", "frame"]) {
    document.getElementById(id).textContent = page.getElementById(id).textContent;
  }
  hint.textContent = page.getElementById(hint.id).textContent;
  const made = page.getElementById("preview");
  for (const { name } of [...preview.attributes]) {
    if (!made.hasAttribute(name)) preview.removeAttribute(name);
  }
  for (const { name, value } of made.attributes) {
    if (preview.getAttribute(name) !== value) preview.setAttribute(name, value);
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, PAUSE);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const code = document.getElementById(button.dataset.copy);
  const copied = await copy(code.textContent, [code.parentElement.cloneNode(true)]);
  status.textContent = copied ? status.dataset.copied : status.dataset.notCopied;
  if (!copied) return;
  const label = button.querySelector("span");
  const before = label.dataset.words ?? label.textContent;
  label.dataset.words = before;
  label.textContent = status.dataset.copied;
  setTimeout(() => {
    label.textContent = before;
  }, 2500);
});
