/**
 * The conversation without reloads. The page works without this; here each question becomes an
 * exchange in the thread, an entry in the browser's history and an address that can be shared.
 * Nothing is stored: what was shown is remembered for Back and Forward until the page is left.
 */

import { FILTERS, inLanguage, ofHome, ofQuestion, read } from "./address.js";
import { clone } from "./fill.js";
import { announcement, fill, replyView } from "./reply.js";

const PATIENCE = 20_000;

const site = JSON.parse(document.getElementById("settings").textContent);
const [conversation, thread, form, field, status, chosen, otherLanguage] = [
  "conversation", "thread", "composer", "question", "status", "filters-chosen", "other-language",
].map((id) => document.getElementById(id));
const boxes = [...form.querySelectorAll("input[type=checkbox]")];

const remembered = new Map(); // address → what the thread held there
const asking = new WeakMap(); // exchange → what was asked in it
let questions = []; // of this thread, oldest first
let shown = here();

/** A failure that the reader is told of, by the name of its words. */
class Trouble extends Error {}

function here() {
  return location.pathname + location.search;
}

// --- asking ---------------------------------------------------------------------------------------

async function ask(question, filters) {
  if (thread.querySelector(".waiting")) return;
  const asked = { question, filters, history: questions.slice(-site.mostHistory) };
  const exchange = clone("exchange-template", { question, scope: scope(), reply: null });
  asking.set(exchange, asked);
  thread.querySelector(".fresh")?.classList.remove("fresh");
  exchange.classList.add("fresh");
  thread.append(exchange);
  questions = [...questions, question];
  field.value = "";
  go(ofQuestion(site, asked));
  await answer(exchange);
}

async function answer(exchange) {
  const asked = asking.get(exchange);
  exchange.querySelector(".trouble")?.remove();
  exchange.append(clone("waiting-template"));
  status.textContent = "";
  lookAt(exchange);
  let outcome;
  let said;
  try {
    const found = await post(asked);
    const reply = replyView(site, asked, found);
    outcome = clone("exchange-template", { ...asked, scope: null, reply }).querySelector(".reply");
    said = announcement(site, found);
  } catch (error) {
    if (!(error instanceof Trouble)) console.error(error);
    said = site.words.script[error instanceof Trouble ? error.message : "failed"];
    outcome = clone("trouble-template", { message: said });
  }
  exchange.querySelector(".waiting").replaceWith(outcome);
  if (exchange.isConnected) status.textContent = said;
}

async function post({ question, history, filters }) {
  let response;
  try {
    response = await fetch(`${site.root}/api/v1/ask`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ question, history, ...filters }),
      signal: AbortSignal.timeout(PATIENCE),
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

function go(address) {
  history.pushState(null, "", address);
  settle();
}

/** Makes everything outside the thread fit the address, and remembers the thread for it. */
function settle() {
  shown = here();
  remembered.set(shown, { children: [...thread.children], questions });
  conversation.dataset.state = questions.length ? "thread" : "empty";
  document.title = `${questions.at(-1) ?? site.home} – ${site.name}`;
  otherLanguage.href = inLanguage(site, location.search, otherLanguage.hreflang);
}

function restore() {
  if (here() === shown) return; // only the fragment changed
  const then = remembered.get(here());
  if (!then) {
    location.reload();
    return;
  }
  thread.replaceChildren(...then.children);
  questions = then.questions;
  chooseFilters(read(location.search).filters);
  status.textContent = "";
  settle();
}

function restart() {
  thread.replaceChildren();
  questions = [];
  chooseFilters(read("").filters);
  field.value = "";
  status.textContent = "";
  go(ofHome(site));
  scrollTo(0, 0);
  field.focus();
}

// --- copying --------------------------------------------------------------------------------------

async function copy(button) {
  const label = button.querySelector("span");
  const before = site.words.answer.copy_quotation;
  const copied = await intoClipboard(button.dataset.copy);
  status.textContent = site.words.script[copied ? "copied" : "not_copied"];
  if (!copied) return;
  label.textContent = site.words.script.copied;
  setTimeout(() => {
    label.textContent = before;
  }, 2500);
}

async function intoClipboard(text) {
  try {
    await navigator.clipboard.writeText(text); // only where the page came over HTTPS
    return true;
  } catch {
    const box = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
    box.className = "visually-hidden";
    const focused = document.activeElement;
    document.body.append(box);
    box.select();
    const copied = document.execCommand("copy");
    box.remove();
    focused?.focus();
    return copied;
  }
}

// --- events ---------------------------------------------------------------------------------------

const actions = {
  ask: (link) => {
    const { question, filters } = read(new URL(link.href).search);
    chooseFilters(filters);
    ask(question, filters);
  },
  restart,
  retry: (button) => answer(button.closest(".exchange")),
  copy,
};

document.addEventListener("click", (event) => {
  const element = event.target.closest("[data-action]");
  if (!element || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  actions[element.dataset.action](element);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = field.value.trim();
  if (question) ask(question, chosenFilters());
  else field.focus();
});

form.addEventListener("change", countFilters);
addEventListener("popstate", restore);

const { question, history: earlier } = read(location.search);
questions = thread.querySelector(".exchange") ? [...earlier, question] : earlier;
settle();
