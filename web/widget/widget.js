/**
 * <tryghed-search>: the assistant on any page, as docs/embedding.md describes it.
 *
 * The server makes one file of this module and those that it imports, and puts CSS, WORDS and MOST
 * (the API's limits) in front (src/tryghed_search/widget.py). What an answer is made into is the
 * pages' own code, so both show the same words in the same order. Text only ever becomes text
 * nodes and attribute values; nothing is stored, nothing is global.
 */

import { FILTERS, ofQuestion } from "../static/address.js";
import { fill, partNode } from "../static/fill.js";
import { announcement, replyView } from "../static/reply.js";

const SLOW = 6_000;
const PATIENCE = 30_000;
const TROUBLES = { 400: "bad_question", 422: "bad_question", 429: "busy", 503: "not_ready" };

const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);

/** Why a question has no answer: the name of its words, and the HTTP status or 0. */
class Trouble extends Error {
  constructor(kind, status = 0, values = {}) {
    super(kind);
    Object.assign(this, { kind, status, values });
  }
}

class TryghedSearch extends HTMLElement {
  static observedAttributes = ["server", "lang", "theme", "heading", "level", ...FILTERS];

  #parts = null; // the elements that stay, by their names
  #exchanges = []; // {asked, found, trouble, slow, title, outcome, node}, oldest first
  #stop = null; // what stops the question that is being asked

  connectedCallback() {
    if (!this.#parts) this.#build();
    this.#settle();
  }

  disconnectedCallback() {
    this.#stop?.abort(new Trouble("cancelled"));
  }

  attributeChangedCallback(name, before, now) {
    if (!this.#parts || before === now) return;
    if (name === "server") this.#forget();
    this.#settle();
    if (name === "lang" || name === "level") this.#showAll();
  }

  // --- what the attributes say --------------------------------------------------------------------

  get #words() {
    return WORDS[/^en\b/i.test(this.lang) ? "en" : "da"];
  }

  /** Where addresses begin; null where the attribute names no server. Without it: whence this file. */
  get #root() {
    try {
      const given = this.getAttribute("server")?.trim();
      const base = given ? document.baseURI : import.meta.url;
      const { protocol, origin, pathname, username } = new URL(given || ".", base);
      if (!/^https?:$/.test(protocol) || username) return null;
      return origin + pathname.replace(/\/+$/, "");
    } catch {
      return null;
    }
  }

  get #site() {
    const words = this.#words;
    return { root: this.#root ?? "", lang: words.lang, words, mostHistory: MOST.history };
  }

  get #filters() {
    const values = (name) => (this.getAttribute(name) ?? "").split(",").map((one) => one.trim());
    return Object.fromEntries(FILTERS.map((name) => [name, values(name).filter(Boolean)]));
  }

  /** Undefined for what the API would refuse. */
  get #limit() {
    const limit = Number(this.getAttribute("limit"));
    return Number.isInteger(limit) && limit > 0 && limit <= MOST.limit ? limit : undefined;
  }

  /** Of the widget's own heading; those inside are below it. */
  get #level() {
    return Number(/^[1-4]$/.exec(this.getAttribute("level"))?.[0] ?? 2);
  }

  // --- what stays ---------------------------------------------------------------------------------

  #build() {
    const label = element("label", "label", { for: "question" });
    const hint = element("p", "hint", { id: "hint" });
    const restart = element("button", "restart", { type: "button", onclick: () => this.#restart() });
    const field = element("input", "field", {
      id: "question", name: "q", type: "search", required: "", maxlength: MOST.question, size: 27,
      autocomplete: "off", enterkeyhint: "search", "aria-describedby": "hint scope",
    });
    const button = element("button", "button", { type: "submit" });
    const scope = element("p", "scope", { id: "scope" });
    const carried = element("div", "", { hidden: "" });
    const form = element(
      "form",
      "form",
      { role: "search", target: "_blank", rel: "noopener", onsubmit: (event) => this.#submit(event) },
      element("div", "head", {}, label, restart, hint),
      element("div", "row", {}, field, button),
      scope,
      carried,
    );
    const thread = element("div", "thread");
    const status = element("p", "hidden", { role: "status" });
    const full = element("p", "full");
    const panel = element("div", "panel", { dir: "ltr" }, thread, form, full, status);
    for (const kind of ["keydown", "keypress", "keyup"]) panel.addEventListener(kind, keepKey);
    this.#parts = {
      panel, thread, form, label, hint, restart, field, button, scope, carried, status, full,
    };
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(panel);
  }

  /** Makes what stays fit the attributes and the conversation. */
  #settle() {
    const { panel, label, hint, restart, button, full } = this.#parts;
    const [site, filters, theme] = [this.#site, this.#filters, this.getAttribute("theme")];
    const { words } = site;
    const begun = this.#exchanges.length > 0;
    panel.lang = site.lang;
    panel.dataset.theme = ["light", "dark"].includes(theme) ? theme : "auto";
    this.#settleHeading(words);
    this.#settleForm(site, filters);
    label.textContent = words.ask.label;
    hint.textContent = words.ask[begun ? "follow_hint" : "hint"];
    restart.textContent = words.ask.restart;
    restart.hidden = !begun;
    button.textContent = words.ask.submit;
    this.#settleScope();
    full.replaceChildren(this.#link("link", words.widget.full, this.#full()));
    full.hidden = this.#root === null;
  }

  /** Reports are named by their titles as soon as an answer has told these. */
  #settleScope() {
    const { scope } = this.#parts;
    const [words, filters] = [this.#words, this.#filters];
    const passages = this.#exchanges.flatMap(({ found }) => found?.passages ?? []);
    const titles = Object.fromEntries(passages.map((one) => [one.id.split("/")[0], one.citation.report]));
    const count = filters.report.filter((id) => !titles[id]).length;
    const others = fill(words.filters[count === 1 ? "one_report" : "some_reports"], { count });
    const labels = [
      ...FILTERS.filter((name) => name !== "report").flatMap((name) =>
        filters[name].map((value) => words[`${name}s`]?.[value] ?? value),
      ),
      ...filters.report.map((id) => titles[id]).filter(Boolean),
      ...(count ? [others] : []),
    ];
    const limits = fill(words.filters.scope, { labels: labels.join(" · ") });
    scope.textContent = labels.length ? limits : ""; // hidden text would still describe the field
    scope.hidden = !labels.length;
  }

  /** An empty heading is there for screen readers only: what stands below it needs one. */
  #settleHeading(words) {
    const { panel, form } = this.#parts;
    const given = this.getAttribute("heading")?.trim();
    const heading = element(`h${this.#level}`, "heading", {}, given || words.widget.heading);
    heading.classList.toggle("hidden", given === "");
    panel.querySelector(":scope > .heading")?.remove();
    panel.prepend(heading);
    form.setAttribute("aria-label", heading.textContent);
  }

  /** The form by itself leads to the page that answers. */
  #settleForm({ root, lang }, filters) {
    const { form, carried } = this.#parts;
    const pairs = FILTERS.flatMap((name) => filters[name].map((value) => [name, value]));
    if (lang !== "da") pairs.push(["lang", lang]);
    form.action = `${root}/`;
    carried.replaceChildren(
      ...pairs.map(([name, value]) => element("input", "", { type: "hidden", name, value })),
    );
  }

  /** The whole page, with this conversation in it. */
  #full() {
    const [site, last] = [this.#site, this.#exchanges.at(-1)];
    if (last) return ofQuestion(site, last.asked);
    return `${site.root}/${site.lang === "da" ? "" : `?lang=${site.lang}`}`;
  }

  /** Opens in a new tab, which is not told from where. */
  #link(name, text, href, attributes = {}) {
    const { lang, widget } = this.#words;
    const where = element("span", "hidden", { lang }, ` ${widget.new_tab}`);
    const all = { href, target: "_blank", rel: "noopener noreferrer", ...attributes };
    return element("a", name, all, text, where);
  }

  #say(text) {
    this.#parts.status.textContent = text;
  }

  // --- what comes and goes ------------------------------------------------------------------------

  #showAll() {
    const { thread } = this.#parts;
    const focused = thread.contains(this.shadowRoot.activeElement);
    thread.replaceChildren();
    for (const exchange of this.#exchanges) {
      exchange.node = null;
      this.#show(exchange);
    }
    if (focused) this.#exchanges.at(-1).title.focus({ preventScroll: true });
  }

  /** Shows an exchange as it now is; focus on what disappears goes to the question. */
  #show(exchange) {
    if (!exchange.node) {
      const { lang, answer } = this.#words;
      exchange.title = element(
        `h${this.#level + 1}`,
        "question",
        { tabindex: -1 },
        element("span", "hidden", { lang }, `${answer.asked}: `),
        exchange.asked.question,
      );
      exchange.outcome = element("div", "outcome");
      exchange.node = element("article", "exchange", {}, exchange.title, exchange.outcome);
      this.#parts.thread.append(exchange.node);
    }
    const { found, trouble, title, outcome } = exchange;
    const focused = outcome.contains(this.shadowRoot.activeElement);
    if (found) outcome.replaceChildren(this.#reply(exchange));
    else if (trouble) outcome.replaceChildren(this.#trouble(exchange));
    else outcome.replaceChildren(this.#waiting(exchange));
    if (focused) title.focus({ preventScroll: true });
  }

  #reply({ asked, found }) {
    const { answer: words, source } = this.#words;
    const { language = "da" } = found.passages[0]?.citation ?? {};
    const sources = [...new Map(found.passages.map(({ citation: c }) => [c.report, c])).values()];
    const reply = replyView({ ...this.#site, several: sources.length > 1 }, asked, found);
    const { state, verdict, notice, best, others, others_heading: heading, suggestions } = reply;
    const below = (text) => element(`h${this.#level + 2}`, "subheading", {}, text);
    const place = (one) => this.#place(one, found.passages[one.rank - 1].citation);
    const list = (items, attributes) =>
      element("ul", "", { role: "list", ...attributes }, ...items.map((one) => element("li", "", {}, one)));
    const question = ({ text, href }) =>
      element("a", "suggestion", { href, onclick: (event) => this.#follow(event, text) }, text);
    return element(
      "div",
      "answer",
      { "data-state": state },
      verdict && element("p", "verdict", {}, verdict),
      notice && element("p", "notice", { lang: reply.lang }, notice),
      best && element("div", "best", {}, place(best)),
      others.length > 0 && element("section", "others", {}, below(heading), list(others.map(place))),
      suggestions.length > 0 &&
        element(
          "section",
          "suggestions",
          {},
          below(words[state === "absent" ? "answerable" : "suggestions"]),
          list(suggestions.map(question), { lang: language }),
        ),
      ...sources.map(({ publisher, report }) =>
        element("p", "credit", {}, fill(source, { publisher, title: report })),
      ),
    );
  }

  #place({ rank, labels, shown, whole, citation }, { language: lang = "da" }) {
    const quote = (parts) => element("blockquote", "quote", { lang }, ...parts.map(partNode));
    const label = (text) => element("span", "tag", {}, text);
    return element(
      "figure",
      "place",
      {},
      element("p", "labels", {}, element("span", "rank", {}, String(rank)), ...labels.map(label)),
      quote(shown),
      whole &&
        element("details", "whole", {}, element("summary", "", {}, this.#words.answer.whole), quote(whole)),
      element("figcaption", "source", {}, this.#link("citation", citation.text, citation.href, { lang })),
    );
  }

  #waiting(exchange) {
    const { script, widget } = this.#words;
    const giveUp = () => this.#giveUp(exchange);
    return element(
      "div",
      "waiting",
      {},
      element("p", "", {}, script.thinking, exchange.slow && ` ${script.slow}`),
      element("button", "button", { type: "button", onclick: giveUp }, widget.cancel),
    );
  }

  #trouble(exchange) {
    const { script, widget } = this.#words;
    const retry = () => this.#answer(exchange);
    const address = ofQuestion(this.#site, exchange.asked);
    return element(
      "div",
      "trouble",
      {},
      element("p", "", {}, this.#told(exchange.trouble)),
      element(
        "p",
        "ways",
        {},
        element("button", "button", { type: "button", onclick: retry }, script.retry),
        this.#root !== null && this.#link("link", widget.full_question, address),
      ),
    );
  }

  #told({ kind, values }) {
    const { script, widget } = this.#words;
    return fill(widget[kind] ?? script[kind], values);
  }

  // --- asking -------------------------------------------------------------------------------------

  #submit(event) {
    event.preventDefault();
    const question = this.#parts.field.value.trim();
    if (question) this.#ask(question);
    else this.#parts.field.focus();
  }

  #follow(event, question) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.#ask(question);
  }

  #ask(question) {
    if (this.#stop) return;
    const answered = this.#exchanges.filter(({ found }) => found);
    const history = answered.map(({ asked }) => asked.question).slice(-MOST.history);
    const exchange = { asked: { question, history, filters: this.#filters } };
    this.#exchanges.push(exchange);
    this.#parts.field.value = "";
    this.#settle();
    this.#answer(exchange);
  }

  async #answer(exchange) {
    if (this.#stop) return;
    const stop = new AbortController();
    this.#stop = stop;
    Object.assign(exchange, { found: null, trouble: null, slow: false });
    this.#show(exchange);
    this.#say("");
    this.#lookAt(exchange);
    const slow = setTimeout(() => {
      exchange.slow = true;
      exchange.outcome.querySelector("p").append(` ${this.#words.script.slow}`);
      this.#say(this.#words.script.slow);
    }, SLOW);
    const late = setTimeout(() => stop.abort(new Trouble("failed")), PATIENCE);
    try {
      exchange.found = await this.#post(exchange.asked, stop.signal);
    } catch (error) {
      exchange.trouble = error instanceof Trouble ? error : new Trouble("failed");
      if (!(error instanceof Trouble)) console.error(error);
    }
    clearTimeout(slow);
    clearTimeout(late);
    if (this.#stop !== stop) return; // given up: there is another conversation by now
    this.#stop = null;
    const reading = this.shadowRoot.activeElement === exchange.title;
    this.#show(exchange);
    this.#settleScope();
    if (reading) exchange.node.scrollIntoView({ block: "nearest" });
    this.#tell(exchange);
  }

  /** Says once what came of it: to the reader and to the host. */
  #tell({ found, trouble }) {
    if (trouble?.kind === "cancelled") return;
    const message = found ? announcement(this.#site, found) : this.#told(trouble);
    this.#say(message);
    const detail = found ?? { status: trouble.status, message };
    const name = found ? "tryghed-answer" : "tryghed-error";
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail }));
  }

  async #post({ question, history, filters }, signal) {
    const root = this.#root;
    if (root === null) throw new Trouble("bad_server");
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ question, history, limit: this.#limit, ...filters }),
      referrerPolicy: "no-referrer",
      signal,
    };
    const response = await reach(root, request);
    if (!response.ok) {
      const wait = /^\d+$/.exec(response.headers.get("Retry-After"))?.[0];
      const kind = TROUBLES[response.status] ?? "failed";
      throw new Trouble(kind === "busy" && wait ? "busy_for" : kind, response.status, { wait });
    }
    const found = await response.json();
    if (!Array.isArray(found?.passages)) throw new Trouble("failed", response.status);
    return found;
  }

  #lookAt({ title, node }) {
    title.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest" });
  }

  /** Takes the question back into the field. */
  #giveUp({ asked, node }) {
    const { field } = this.#parts;
    this.#exchanges = this.#exchanges.filter((exchange) => exchange.node !== node);
    this.#stop.abort(new Trouble("cancelled"));
    this.#stop = null;
    node.remove();
    field.value ||= asked.question;
    field.focus();
    this.#settle();
    this.#say(this.#words.widget.cancelled);
  }

  #restart() {
    this.#forget();
    this.#settle();
    this.#parts.field.focus();
  }

  #forget() {
    this.#stop?.abort(new Trouble("cancelled"));
    this.#stop = null;
    this.#exchanges = [];
    this.#parts.thread.replaceChildren();
    this.#say("");
  }
}

/**
 * The response to a request. A page that may not ask gets the same error as one whose server is
 * down; but the widget's own file may be loaded from anywhere, so that tells the two apart.
 */
async function reach(root, request) {
  const ask = () => fetch(`${root}/api/v1/ask`, request);
  const { signal, referrerPolicy } = request;
  try {
    return await ask();
  } catch {
    signal.throwIfAborted();
  }
  const file = { method: "HEAD", cache: "no-store", signal, referrerPolicy };
  const { ok } = await fetch(`${root}/widget.js`, file).catch(() => ({ ok: false }));
  try {
    if (ok) return await ask(); // it may only have been away for a moment
  } catch {
    // told below
  }
  signal.throwIfAborted();
  const elsewhere = ok && new URL(root).origin !== location.origin;
  throw new Trouble(elsewhere ? "disallowed" : "offline", 0, { origin: location.origin });
}

/** An element that is its own part, for hosts that style it; its children where there are any. */
function element(tag, name, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (name && name !== "hidden") made.setAttribute("part", name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter(Boolean));
  return made;
}

/**
 * Keys that write in the field, send or press stay inside, where a host's shortcuts do not take
 * them. Tab, Escape and what is held with Ctrl or Cmd goes on to the host.
 */
function keepKey(event) {
  const { key, target } = event;
  const command = (event.ctrlKey || event.metaKey) && !event.getModifierState("AltGraph");
  const writes = target.matches("input") && !command && key !== "Tab" && key !== "Escape";
  if (writes || key === "Enter" || key === " ") event.stopPropagation();
}

if (!customElements.get("tryghed-search")) customElements.define("tryghed-search", TryghedSearch);
