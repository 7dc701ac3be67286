/** What a reader says of an answer, sent where the operator keeps it. */

import { clone, fill } from "./fill.js";

const OTHERS = ["wrong-passage", "missing"]; // verdicts after which another place may be right

/**
 * A reader has chosen a verdict, or then a place or none. Gives the thanks to be told once it is
 * kept, or the trouble; neither while there is more to ask.
 */
export async function judge(site, button, asked) {
  const section = button.closest(".feedback");
  const { verdict } = button.dataset;
  if (verdict) section.dataset.verdict = verdict;
  const places = verdict && OTHERS.includes(verdict) ? otherPlaces(site, section) : [];
  if (places.length) {
    ask(section, clone("right-template", { ranks: places }));
    return {};
  }
  const right = button.dataset.right ? Number(button.dataset.right) : null;
  const response = await fetch(`${site.root}/api/v1/feedback`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      question: asked.question,
      history: asked.history,
      ...asked.filters,
      verdict: section.dataset.verdict,
      right,
    }),
  }).catch(() => null);
  if (!response?.ok) return { trouble: site.words.feedback.not_kept };
  ask(section, clone("thanks-template"));
  return { thanks: site.words.feedback.thanks };
}

/** The places that the reader was not given as the answer. */
function otherPlaces(site, section) {
  const reply = section.closest(".reply");
  return [...reply.querySelectorAll(".others .rank")].map(({ textContent: rank }) => ({
    rank,
    label: fill(site.words.feedback.place, { rank }),
  }));
}

function ask(section, content) {
  section.replaceChildren(content);
  section.querySelector(".asking").focus({ preventScroll: true });
}
