/**
 * Fills words with values, and clones of the page's <template> elements, which the server's own
 * macros wrote (templates/_exchange.html says what data-bind means). Text only ever becomes text
 * nodes.
 */

/** The words with their {names} filled in. */
export function fill(words, values) {
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A filled clone of the first element in the template with that id. */
export function clone(id, view = {}) {
  const element = document.getElementById(id).content.firstElementChild.cloneNode(true);
  bind(element, view, bindings(element));
  return element;
}

function bindings(element) {
  const tokens = element.dataset.bind?.split(" ") ?? [];
  return tokens.map((token) => token.split("="));
}

function bind(element, view, pairs) {
  let inside = true; // whether the element's children are still to be filled
  for (const [position, [target, name]] of pairs.entries()) {
    const value = name ? name.split(".").reduce((found, key) => found?.[key], view) : view;
    if (value === null || value === undefined || (target === "some" && !value.length)) {
      element.remove();
      return;
    }
    if (target === "each") {
      repeat(element, value, pairs.slice(position + 1));
      return;
    }
    if (target === "with") view = value;
    else if (target === "text" || target === "parts") {
      element.replaceChildren(...(target === "text" ? [String(value)] : value.map(partNode)));
      inside = false;
    } else if (target !== "some") element.setAttribute(target, value);
  }
  if (inside) for (const child of [...element.children]) bind(child, view, bindings(child));
}

function repeat(element, items, pairs) {
  for (const item of items) {
    const copy = element.cloneNode(true);
    element.before(copy);
    bind(copy, item, pairs);
  }
  element.remove();
}

/** A heading, paragraph or list of a passage. */
export function partNode({ role, lines }) {
  const isList = role === "dashes" || role === "numbers";
  const node = document.createElement(isList ? "ul" : "p");
  if (role !== "paragraph") node.className = role;
  if (isList) node.append(...lines.map((runs) => lineInto(document.createElement("li"), runs)));
  else lineInto(node, lines[0]);
  return node;
}

function lineInto(node, runs) {
  for (const { text, mark } of runs) {
    if (mark) node.append(Object.assign(document.createElement("mark"), { textContent: text }));
    else node.append(text);
  }
  return node;
}
