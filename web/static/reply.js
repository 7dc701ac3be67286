/**
 * From the API's answer to what is shown: the same values that views.py and quoting.py make for
 * the same markup. A browser test holds the two equal.
 */

import { FILTERS, ofPlace, ofQuestion } from "./address.js";
import { fill } from "./fill.js";

const SURE = 0.55;
const SHORT = 320;
const EXTRACT = 240;
const LEAST = 60;
const NONE = Object.fromEntries(FILTERS.map((name) => [name, []]));

/** What the report says to a question. */
export function replyView(site, asked, answer) {
  const words = site.words.answer;
  const answered = answer.status === "answered";
  const state = answered ? (answer.confidence >= SURE ? "sure" : "unsure") : "absent";
  const places = answer.passages.map((passage, position) =>
    placeView(site, passage, answered, answered && position === 0),
  );
  const history = [...asked.history, asked.question].slice(-site.mostHistory);
  return {
    state,
    verdict: answer.notice ? null : words[state],
    notice: answer.notice,
    lang: answer.language ?? site.lang,
    everywhere:
      !answered && FILTERS.some((name) => asked.filters[name].length)
        ? { text: words.everywhere, href: ofQuestion(site, { ...asked, filters: NONE }) }
        : null,
    best: answered ? (places[0] ?? null) : null,
    others_heading: words[answered ? "others" : "related"],
    others: answered ? places.slice(1) : places,
    suggestions: answer.suggestions.map((text) => ({
      text,
      href: ofQuestion(site, { question: text, history, filters: asked.filters }),
    })),
  };
}

/** What is read aloud once when the answer has come. */
export function announcement(site, answer) {
  const words = site.words.script;
  const count = answer.passages.length;
  const counted = (name) => fill(words[name + (count === 1 ? "_one" : "_many")], { count });
  if (answer.status !== "answered" || count === 0) {
    return [answer.notice, count > 0 && counted("related")].filter(Boolean).join(" ");
  }
  const best = answer.passages[0];
  const { page, page_stated: stated } = best.citation;
  const place = best.municipalities[0] ?? where(site, best);
  const name = page === null ? "best" : stated ? "best_on_page" : "best_near_page";
  return `${counted("found")} ${fill(words[name], { place, page })}`;
}

function placeView(site, passage, isAnswer, isBest) {
  const { citation } = passage;
  const marks = isAnswer ? passage.highlights.slice(0, 1) : [];
  const text = [...passage.text];
  const whole = parts(text, passage.blocks, marks);
  const shown = isBest || text.length <= SHORT ? whole : extract(text, passage.blocks, marks);
  const quotation = marks.length
    ? text.slice(...marks[0]).join("")
    : passage.blocks.map(({ start, end }) => text.slice(start, end).join("")).join("\n");
  return {
    rank: passage.rank,
    labels: [
      ...(site.several ? [passage.citation.report] : []),
      site.words.kinds[passage.kind],
      ...passage.municipalities,
    ],
    shown,
    whole: JSON.stringify(shown) === JSON.stringify(whole) ? null : whole,
    citation: {
      text: citedPlace(where(site, passage), pageLabel(site, citation)),
      href: ofPlace(site, citation.url, marks[0]),
    },
    copy: `»${quotation}«\n${citation.reference}`,
    reference: citation.reference,
  };
}

/** Place and page; a question mark needs no comma after it. */
function citedPlace(place, page) {
  return page === null ? place : place + (place.endsWith("?") ? " " : ", ") + page;
}

function pageLabel(site, { page, page_stated: stated }) {
  return page === null ? null : fill(site.words.answer[stated ? "page" : "page_inferred"], { page });
}

/** The passage's place as a path of short titles, without the chapter that it stands in. */
function where(site, { kind, text, blocks, citation: { section: path } }) {
  const last = path.at(-1);
  if (kind === "typology") return last;
  const short = (title, top) => (kind === "guide" && !top ? title : title.split(": ", 1)[0]);
  if (path.length === 1) return short(last, true);
  const characters = [...text];
  const repeated = blocks.some((b) => b.role === "heading" && line(characters, b) === last);
  const kept = path.slice(1, path.length > 2 && repeated ? -1 : undefined);
  return kept.map((title) => short(title, false)).join(" › ");
}

/* Texts are arrays of characters here: offsets count Unicode characters, as in Python. */

function parts(text, blocks, marks) {
  const found = [];
  for (const block of blocks) {
    const role = roleOf(text, block);
    const runs = runsOf(text, block, marks);
    const before = found.at(-1);
    if (before?.role === role && (role === "dashes" || role === "numbers")) before.lines.push(runs);
    else found.push({ role, lines: [runs] });
  }
  return found;
}

function extract(text, blocks, marks) {
  if (marks.length) {
    const [start, end] = marks[0];
    return [{ role: "paragraph", lines: [runsOf(text, { start, end }, marks)] }];
  }
  const longEnough = (b) => b.role === "paragraph" && b.end - b.start > LEAST;
  let shown = line(text, blocks.find(longEnough) ?? blocks[0]);
  if ([...shown].length > EXTRACT) {
    shown = [...shown].slice(0, EXTRACT).join("").replace(/ [^ ]*$/, "") + " …";
  }
  return [{ role: "paragraph", lines: [[{ text: shown, mark: false }]] }];
}

function roleOf(text, block) {
  if (block.role !== "item") return block.role;
  return begin(text, block) === block.start ? "numbers" : "dashes";
}

/** Where the block's words begin, after the dash of a list. */
function begin(text, { start }) {
  return "-•".includes(text[start]) && text[start + 1] === " " ? start + 2 : start;
}

function line(text, block) {
  return text.slice(begin(text, block), block.end).join("");
}

/** The block's words, cut where a mark begins or ends. */
function runsOf(text, block, marks) {
  const start = begin(text, block);
  const inside = marks.flat().map((place) => Math.min(Math.max(place, start), block.end));
  const cuts = [...new Set([start, block.end, ...inside])].sort((a, b) => a - b);
  return cuts.slice(1).map((to, position) => {
    const from = cuts[position];
    const mark = marks.some(([s, e]) => s <= from && to <= e);
    return { text: text.slice(from, to).join(""), mark };
  });
}
