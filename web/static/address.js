/** Addresses of this site: what stands in them, and how they are made (as views.py makes them). */

export const FILTERS = ["kind", "municipality", "audience", "report"];
const PLACE = ["r", "p", "m"]; // report, passage, marked span

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

/** The place in the report that stands beside the conversation in an address, if one does. */
export function placeIn(site, search) {
  const params = new URLSearchParams(search);
  const [report, anchor, mark] = PLACE.map((name) => params.get(name));
  if (!report || !anchor) return null;
  return ofPlace(site, `/rapport/${encodeURIComponent(report)}#${anchor}`, mark?.split("-"));
}

/** The parameters of an address with that place beside it, or with none. */
export function withPlace(search, place) {
  const params = new URLSearchParams(search);
  for (const name of PLACE) params.delete(name);
  if (place) {
    const { pathname, searchParams, hash } = new URL(place, location.href);
    const values = [pathname.split("/").at(-1), hash.slice(1), searchParams.get("m")];
    PLACE.forEach((name, position) => values[position] && params.set(name, values[position]));
  }
  return params.size ? `?${params}` : "";
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
