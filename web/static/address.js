/** Addresses of this site: what stands in them, and how they are made (as views.py makes them). */

export const FILTERS = ["kind", "municipality", "audience"];

/** A question as it stands in an address: its text, the questions before it, its filters. */
export function read(search) {
  const params = new URLSearchParams(search);
  return {
    question: params.get("q")?.trim() ?? "",
    history: params.getAll("h"),
    filters: Object.fromEntries(FILTERS.map((name) => [name, params.getAll(name)])),
  };
}

/** The address that answers a question. */
export function ofQuestion(site, { question, history, filters }) {
  const pairs = [["q", question]];
  for (const name of FILTERS) pairs.push(...filters[name].map((value) => [name, value]));
  pairs.push(...history.map((earlier) => ["h", earlier]));
  return make(site, "/", pairs);
}

/** The address of a passage in the reading view, with one of its sentences marked. */
export function ofPlace(site, url, mark) {
  const [path, anchor] = url.split("#");
  return make(site, path, mark ? [["p", anchor], ["m", mark.join("-")]] : [], anchor);
}

/** The address of the empty conversation. */
export function ofHome(site) {
  return make(site, "/", []);
}

/** The same address in another language. */
export function inLanguage(site, search, lang) {
  const pairs = [...new URLSearchParams(search)].filter(([name]) => name !== "lang");
  return make({ root: site.root, lang }, "/", pairs);
}

function make({ root, lang }, path, pairs, anchor = "") {
  const query = new URLSearchParams(lang === "da" ? pairs : [...pairs, ["lang", lang]]).toString();
  return root + path + (query && `?${query}`) + (anchor && `#${anchor}`);
}
