/** Quotations and whole conversations into the clipboard: as text, and as rich text with links. */

/** Copies nodes with their own text; whether it went well. */
export async function copy(text, nodes) {
  const html = markup(nodes);
  try {
    const blob = (type, value) => new Blob([value], { type });
    const item = { "text/plain": blob("text/plain", text), "text/html": blob("text/html", html) };
    await navigator.clipboard.write([new ClipboardItem(item)]);
    return true;
  } catch {
    return copyAsOfOld(text, html); // the clipboard is for pages that came over HTTPS only
  }
}

function copyAsOfOld(text, html) {
  const box = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
  box.className = "visually-hidden";
  const focused = document.activeElement;
  const give = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.clipboardData.setData("text/html", html);
    event.preventDefault();
  };
  document.body.append(box);
  box.select();
  document.addEventListener("copy", give, { once: true });
  const copied = document.execCommand("copy");
  document.removeEventListener("copy", give);
  box.remove();
  focused?.focus();
  return copied;
}

function markup(nodes) {
  const whole = document.createElement("div");
  whole.append(...nodes);
  return whole.innerHTML;
}

/** A quotation with its reference, as the figure around it holds them. */
export function quotation(figure) {
  const { reference } = figure.querySelector("figcaption").dataset;
  const { copy: text } = figure.querySelector(".copy").dataset;
  const quoted = text.slice(0, -reference.length).trim();
  const quote = element("blockquote", ...paragraphs(quoted));
  const link = element("a", reference);
  link.href = figure.querySelector(".citation").href; // absolute, as a memo needs it
  return { text: `${text}\n${link.href}`, nodes: [quote, element("p", link)] };
}

/** Questions and answers with all quotations, best first and numbered, as they stand in the thread. */
export function conversation(thread) {
  const texts = [];
  const nodes = [];
  const folded = [...thread.querySelectorAll(".earlier li")].map((line) => line.textContent.trim());
  if (folded.length) {
    const heading = thread.querySelector(".earlier h2").textContent;
    texts.push([heading, ...folded.map((line) => `– ${line}`)].join("\n"));
    nodes.push(element("p", heading), element("ul", ...folded.map((line) => element("li", line))));
  }
  for (const exchange of thread.querySelectorAll(".exchange")) {
    const question = exchange.querySelector("[data-bind='text=question']").textContent;
    const said = [...exchange.querySelectorAll(".scope, .verdict, .notice, .trouble > p")];
    const words = said.map((line) => line.textContent.trim());
    texts.push([question, ...words].join("\n"));
    nodes.push(element("h2", question), ...words.map((line) => element("p", line)));
    for (const part of exchange.querySelectorAll("figure, .others > h3")) {
      if (part.matches("h3")) {
        texts.push(part.textContent);
        nodes.push(element("h3", part.textContent));
        continue;
      }
      const one = quotation(part);
      const rank = part.querySelector(".rank").textContent;
      texts.push(`${rank}. ${one.text}`);
      nodes.push(element("p", `${rank}.`), ...one.nodes);
    }
  }
  return { text: texts.join("\n\n"), nodes };
}

function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

function paragraphs(text) {
  return text.split("\n").map((line) => element("p", line));
}
