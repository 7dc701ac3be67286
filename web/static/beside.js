/**
 * The report beside the conversation, where the window is wide enough: a citation opens it at its
 * place, Back or Escape leads back to the answer. What stands there is part of the address.
 */

import { placeIn, withPlace } from "./address.js";
import { clone } from "./fill.js";
import { anchorOf, pageAt } from "./pages.js";

const WIDE = matchMedia("(min-width: 70em)"); // as in beside.css
const NOW = { block: "center", behavior: "instant" };

const panel = document.getElementById("beside");
const [title, whole, text] = ["title", "whole", "text"].map((id) => panel.querySelector(`.${id}`));

let site;
let told; // what a reader who does not see it is to hear
let changed; // told whenever something else stands beside the conversation
let place = null; // the address of what stands there
let cause = null; // the citation that opened it
let starting = false; // whether the place came with the address
let own = null; // the address that opening it made

/** Shows what the page's address says, if there is room for it. */
export function startBeside(settings, whenChanged, tell) {
  site = settings;
  changed = whenChanged;
  told = tell;
  starting = true; // what a shared address shows is not yet what the reader turned to
  if (WIDE.matches) followAddress();
}

/** Opens a link into the report beside the conversation; false where there is no room for it. */
export function openBeside(link) {
  if (!WIDE.matches) return false;
  starting = false;
  const address = location.pathname + withPlace(location.search, link.href);
  const isOurs = !place || location.href === own;
  if (place) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  own = isOurs ? location.href : null;
  if (!panel.contains(link)) cause = link;
  followAddress();
  return true;
}

/** Closes it as Back does, where opening it was the last step. */
export function closeBeside() {
  if (!place) return;
  if (location.href === own) {
    history.back();
    return;
  }
  history.replaceState(null, "", location.pathname + withPlace(location.search, null));
  followAddress();
}

/** The address of what stands beside the conversation, or null. */
export function placeBeside() {
  return place;
}

/** Shows what the address says, after Back and Forward too. */
export function followAddress() {
  const before = place;
  place = placeIn(site, location.search);
  pointAtCitation();
  if (place === before) {
    if (text.querySelector(".trouble")) show(place);
    return;
  }
  keepStill(cause, () => {
    panel.hidden = !place;
    document.documentElement.classList.toggle("has-beside", Boolean(place));
  });
  if (place) show(place);
  else leave();
  changed();
}

/** Marks the citation of what stands beside the conversation. */
export function pointAtCitation() {
  for (const link of document.querySelectorAll(".thread .citation")) {
    const isOpen = place && new URL(place, location.href).href === link.href;
    if (isOpen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

async function show(wanted) {
  whole.href = wanted;
  let report = text.querySelector(".report");
  if (report?.dataset.from !== pageOf(wanted)) {
    text.replaceChildren(clone("beside-waiting-template"));
    report = await reportFrom(wanted);
    if (place !== wanted) return;
    text.replaceChildren(report ?? clone("beside-trouble-template"));
    if (!report) told(text.textContent.trim());
  }
  if (report) look(report);
}

async function reportFrom(wanted) {
  try {
    const page = await pageAt(wanted);
    const heading = page.querySelector("h1");
    title.textContent = heading.textContent;
    title.lang = heading.lang;
    const report = document.importNode(page.querySelector(".report"), true);
    report.dataset.from = pageOf(wanted);
    const { pathname } = new URL(wanted, location.href);
    const language = site.lang === "da" ? "" : `?lang=${site.lang}`;
    for (const link of report.querySelectorAll("a[href^='#']")) {
      link.href = pathname + language + link.hash;
    }
    return report;
  } catch (error) {
    console.error(error);
    return null;
  }
}

/** Brings the place into sight, and reading there unless the reader has gone on. */
function look(report) {
  report.querySelector(".here")?.classList.remove("here");
  const found = document.getElementById(anchorOf(place));
  if (!report.contains(found)) return;
  found.classList.add("here");
  found.tabIndex = -1;
  const isWaitedFor = [cause, document.body, null].includes(document.activeElement);
  if ((isWaitedFor && !starting) || panel.contains(document.activeElement)) found.focus({ preventScroll: true });
  const top = found.getBoundingClientRect().top - text.getBoundingClientRect().top;
  if (WIDE.matches) text.scrollTop += top - text.clientHeight / 4;
  else found.scrollIntoView(NOW);
}

function leave() {
  const hadFocus = panel.contains(document.activeElement) || document.activeElement === document.body;
  text.replaceChildren();
  own = null;
  if (hadFocus && cause?.isConnected) cause.focus({ preventScroll: true });
  cause = null;
}

/** Changes the layout without moving an element in the window. */
function keepStill(element, change) {
  const before = element?.getBoundingClientRect().top;
  change();
  if (!element?.isConnected) return;
  scrollBy({ top: element.getBoundingClientRect().top - before, behavior: "instant" });
}

function pageOf(address) {
  return address.split("#", 1)[0];
}

WIDE.addEventListener("change", () => {
  const report = text.querySelector(".report");
  if (report) look(report);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.target.closest("form")) closeBeside();
});
