/**
 * The conversation without reloads. The page works without this; here each question becomes an
 * exchange in the thread, an entry in the browser's history and an address that can be shared.
 * Nothing is stored: what was shown is remembered for Back and Forward until the page is left.
 */

import { FILTERS, inLanguage, ofHome, ofQuestion, read, withPlace } from "./address.js";
import * as beside from "./beside.js";
import { conversation as wholeThread, copy, quotation } from "./copying.js";
import { clone, fill } from "./fill.js";
import { anchorOf, pageAt } from "./pages.js";
import { previewLinks } from "./preview.js";
import { announcement, replyView } from "./reply.js";

const SLOW = 6_000;
const PATIENCE = 30_000;

const site = JSON.parse(document.getElementById("settings").textContent);
const [conversation, thread, form, field, status, limits, chosen, otherLanguage] = [
  "conversation", "thread", "composer", "question", "status", "filters", "filters-chosen",
  "other-language",
].map((id) => document.getElementById(id));
const submit = form.querySelector("[type=submit]");
const boxes = [...form.querySelectorAll("input[type=checkbox]")];

const remembered = new Map(); // address → what the thread held there, and how far it was scrolled
const asking = new WeakMap(); // exchange → what was asked in it
const running = new WeakMap(); // exchange → what stops its request
let questions = []; // of this thread, oldest first
let shown = here();

/** A failure that the reader is told of, by the name of its words. */
class Trouble extends Error {}

/** The thread's address, whatever stands beside it. */
function here() {
  return location.pathname + withPlace(location.search, null);
}

// --- asking ---------------------------------------------------------------------------------------

async function ask(question, filters) {
  if (thread.querySelector(".waiting")) {
    tell(submit, site.words.script.wait);
    return;
  }
  tell(submit, null);
  const asked = { question, filters, history: questions.slice(-site.mostHistory) };
  const exchange = clone("exchange-template", { question, scope: scope(), reply: null });
  asking.set(exchange, asked);
  thread.querySelector(".fresh")?.classList.remove("fresh");
  exchange.classList.add("fresh");
  thread.append(exchange);
  questions = [...questions, question];
  field.value = "";
  limits.open = false; // over the thread it would cover what is to be read
  go(ofQuestion(site, asked));
  await answer(exchange);
}

async function answer(exchange) {
  const asked = asking.get(exchange);
  const stop = new AbortController();
  running.get(exchange)?.abort(); // a slow request that is tried again
  running.set(exchange, stop);
  exchange.querySelector(".trouble, .waiting")?.remove();
  const waiting = exchange.appendChild(clone("waiting-template"));
  const slow = setTimeout(() => tellSlow(waiting), SLOW);
  status.textContent = "";
  lookAt(exchange);
  let outcome;
  let said;
  try {
    const found = await post(asked, stop.signal);
    outcome = replyTo(asked, found);
    said = announcement(site, found);
  } catch (error) {
    if (stop.signal.aborted) return;
    said = wordsFor(error);
    if (error.message === "bad_question") field.value ||= asked.question;
    outcome = clone("trouble-template", { message: said });
  }
  clearTimeout(slow);
  waiting.replaceWith(outcome);
  beside.pointAtCitation();
  if (exchange.isConnected) status.textContent = said;
}

function replyTo(asked, found) {
  const reply = replyView(site, asked, found);
  return clone("exchange-template", { ...asked, scope: null, reply }).querySelector(".reply");
}

function wordsFor(error) {
  if (!(error instanceof Trouble)) console.error(error);
  return site.words.script[error instanceof Trouble ? error.message : "failed"];
}

/** Asks the earlier questions of a thread that was reloaded or shared, and shows their answers. */
async function showEarlier(button) {
  const list = button.closest(".earlier");
  button.disabled = true;
  status.textContent = site.words.script.thinking;
  try {
    const { history: earlier, filters } = read(location.search);
    const exchanges = [];
    for (const [position, question] of earlier.entries()) {
      const asked = { question, filters, history: earlier.slice(0, position) };
      const exchange = clone("exchange-template", { question, scope: scope(), reply: null });
      exchange.append(replyTo(asked, await post(asked)));
      asking.set(exchange, asked);
      exchanges.push(exchange);
    }
    if (!list.isConnected) return;
    list.replaceWith(...exchanges);
    status.textContent = "";
    lookAt(exchanges[0]);
    settle();
  } catch (error) {
    button.disabled = false;
    button.focus();
    tell(button, wordsFor(error));
  }
}

function tellSlow(waiting) {
  if (!waiting.isConnected) return;
  waiting.querySelector(".slow").hidden = false;
  status.textContent = site.words.script.slow;
}

async function post({ question, history, filters }, stop) {
  let response;
  try {
    response = await fetch(`${site.root}/api/v1/ask`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ question, history, ...filters }),
      signal: AbortSignal.any([...(stop ? [stop] : []), AbortSignal.timeout(PATIENCE)]),
    });
  } catch (error) {
    throw new Trouble(error.name === "TimeoutError" ? "failed" : "offline");
  }
  if (!response.ok) {
    const known = { 400: "bad_question", 422: "bad_question", 429: "busy", 503: "not_ready" };
    throw new Trouble(known[response.status] ?? "failed");
  }
  return response.json();
}

/** Puts the question at the top of the window and reading there. */
function lookAt(exchange) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  exchange.querySelector(".question").focus({ preventScroll: true });
  exchange.scrollIntoView({ block: "start", behavior: still ? "instant" : "smooth" });
}

// --- filters --------------------------------------------------------------------------------------

function chosenFilters() {
  const values = (name) => boxes.filter((b) => b.name === name && b.checked).map((b) => b.value);
  return Object.fromEntries(FILTERS.map((name) => [name, values(name)]));
}

function chooseFilters(filters) {
  for (const box of boxes) box.checked = filters[box.name].includes(box.value);
  countFilters();
}

function countFilters() {
  const count = boxes.filter((box) => box.checked).length;
  chosen.textContent = count ? fill(site.words.filters.chosen, { count }) : "";
}

/** What the search is limited to, in words. */
function scope() {
  const labels = boxes.filter((box) => box.checked).map((box) => box.parentElement.textContent.trim());
  return labels.length ? fill(site.words.filters.scope, { labels: labels.join(" · ") }) : null;
}

// --- addresses and history ------------------------------------------------------------------------

/** What stands beside the conversation stays there, unless another place is given. */
function go(address, place = beside.placeBeside()) {
  const [path, query] = address.split("?");
  remembered.get(shown).top = scrollY;
  history.pushState(null, "", path + withPlace(query, place));
  settle();
}

/** Makes everything outside the thread fit the address, and remembers the thread for it. */
function settle() {
  shown = here();
  remembered.set(shown, { children: [...thread.children], questions });
  conversation.dataset.state = questions.length ? "thread" : "empty";
  document.title = `${questions.at(-1) ?? site.home} – ${site.name}`;
  linkOtherLanguage();
}

function linkOtherLanguage() {
  otherLanguage.href = inLanguage(site, location.search, otherLanguage.hreflang);
}

function restore() {
  if (here() !== shown) restoreThread();
  beside.followAddress();
}

function restoreThread() {
  const then = remembered.get(here());
  if (!then) {
    location.reload();
    return;
  }
  remembered.get(shown).top = scrollY;
  thread.replaceChildren(...then.children);
  questions = then.questions;
  chooseFilters(read(location.search).filters);
  status.textContent = "";
  settle();
  scrollTo({ top: then.top, behavior: "instant" });
}

function restart() {
  thread.replaceChildren();
  questions = [];
  chooseFilters(read("").filters);
  field.value = "";
  status.textContent = "";
  go(ofHome(site), null);
  beside.followAddress();
  scrollTo(0, 0);
  field.focus();
}

/** Says beside a button what went wrong with it, to the eye and to the ear; null takes it back. */
function tell(button, trouble) {
  const said = button.parentElement.querySelector(":scope > .failed");
  if (trouble === null) said?.remove();
  else if (said) said.textContent = trouble;
  else {
    const line = Object.assign(document.createElement("span"), { className: "failed" });
    line.textContent = trouble;
    button.parentElement.append(line);
  }
  status.textContent = trouble ?? "";
}

// --- copying --------------------------------------------------------------------------------------

async function copyInto(button, { text, nodes }, done) {
  const copied = await copy(text, nodes);
  const words = site.words.script;
  tell(button, copied ? null : words.not_copied);
  if (!copied) return;
  status.textContent = words[done];
  const label = button.querySelector("span");
  const before = label.dataset.words ?? label.textContent;
  label.dataset.words = before;
  label.textContent = words[done];
  setTimeout(() => {
    label.textContent = before;
  }, 2500);
}

// --- events ---------------------------------------------------------------------------------------

const actions = {
  ask: (link) => {
    const { question, filters } = read(new URL(link.href).search);
    chooseFilters(filters);
    ask(question, filters);
  },
  restart,
  showEarlier,
  retry: (button) => answer(button.closest(".exchange")),
  copy: (button) => copyInto(button, quotation(button.closest("figure")), "copied"),
  copyThread: (button) =>
    copyInto(button, wholeThread(thread), "copied_thread"),
  print: () => print(),
  judge: async (button) => {
    const { judge } = await import("./feedback.js"); // for few servers only
    const asked = asking.get(button.closest(".exchange")) ?? read(location.search);
    const { trouble, thanks } = await judge(site, button, asked);
    if (trouble) tell(button, trouble);
    else status.textContent = thanks ?? "";
  },
  leave: beside.closeBeside,
};

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const element = event.target.closest("[data-action]");
  const link = event.target.closest(".thread .citation, .beside .page-reference");
  if (element) actions[element.dataset.action](element);
  if (element || (link && beside.openBeside(link))) event.preventDefault();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = field.value.trim();
  if (question) ask(question, chosenFilters());
  else field.focus();
});

form.addEventListener("change", countFilters);
addEventListener("popstate", restore);
// The browser would scroll before the thread is restored; once the page is left, it does so itself.
addEventListener("pageshow", () => (history.scrollRestoration = "manual"));
addEventListener("pagehide", () => (history.scrollRestoration = "auto"));
previewLinks(".thread .citation, .beside .page-reference", async (link) => {
  if (link.ariaCurrent) return null; // it stands beside the conversation already
  return (await pageAt(link.href)).getElementById(anchorOf(link.href));
});

const { question, history: earlier } = read(location.search);
questions = thread.querySelector(".exchange") ? [...earlier, question] : earlier;
settle();
beside.startBeside(site, linkOtherLanguage, (words) => (status.textContent = words));
