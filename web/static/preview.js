/**
 * Where a link into the report leads, shown beside it while it is pointed at or focused: the
 * heading there and the text, at the marked sentence. It stays while the pointer is on it and goes
 * with Escape (WCAG 1.4.13).
 */

const SHOW_AFTER = 250;
const HIDE_AFTER = 150;

/**
 * Shows previews for the links that match. `placeOf` gives the element that a link leads to, or a
 * promise of it, or null for no preview.
 */
export function previewLinks(selector, placeOf) {
  const preview = document.createElement("div");
  preview.id = "preview";
  preview.className = "preview report";
  preview.setAttribute("role", "tooltip");
  preview.popover = "manual";
  let shown = null; // the link whose preview is shown, or will be
  let timer = 0;

  function later(delay, action) {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  }

  async function show(link) {
    shown = link;
    let place = null;
    try {
      place = await placeOf(link);
    } catch {
      // The link itself tells what is wrong when it is followed.
    }
    if (shown !== link || !place || !link.isConnected) return;
    const excerpt = excerptOf(place);
    preview.replaceChildren(excerpt);
    preview.lang = place.closest("[lang]")?.lang ?? "";
    link.classList.add("previewed");
    link.setAttribute("aria-describedby", preview.id);
    document.querySelector("main").append(preview);
    preview.showPopover();
    const mark = preview.querySelector("mark");
    if (mark) excerpt.scrollTop = mark.offsetTop - excerpt.clientHeight / 3;
  }

  function hide() {
    clearTimeout(timer);
    shown?.classList.remove("previewed");
    shown?.removeAttribute("aria-describedby");
    shown = null;
    preview.remove();
  }

  const linkAt = (event) => event.target.closest?.(selector);

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const link = linkAt(event);
    if (preview.contains(event.target)) clearTimeout(timer);
    else if (link && link === shown) clearTimeout(timer);
    else if (link) later(SHOW_AFTER, () => (hide(), show(link)));
    else later(HIDE_AFTER, hide);
  });
  document.addEventListener("focusin", (event) => {
    const link = linkAt(event);
    if (link === shown) return;
    hide();
    if (link?.matches(":focus-visible")) show(link);
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("click", hide);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !preview.isConnected) return;
    event.stopImmediatePropagation();
    hide();
  });
}

/** Copies of a section's heading and text, or a passage's and the next one's, without anchors. */
function excerptOf(place) {
  const chapter = place.closest(".chapter");
  const heading = chapter.querySelector("h2, h3, h4, h5");
  const passages = [...chapter.querySelectorAll(".passage")];
  const first = Math.max(passages.indexOf(place), 0);
  const title = document.createElement("p");
  title.className = "heading";
  title.textContent = heading.textContent;
  const copies = passages.slice(first, first + 2).map((passage) => document.importNode(passage, true));
  for (const copy of copies) {
    for (const element of [copy, ...copy.querySelectorAll("[id]")]) element.removeAttribute("id");
    for (const link of copy.querySelectorAll("a")) link.replaceWith(...link.childNodes);
    for (const unit of copy.querySelectorAll(".unit")) unit.replaceWith(asParagraph(unit));
  }
  const excerpt = document.createElement("div");
  excerpt.className = "excerpt";
  excerpt.append(title, ...copies);
  return excerpt;
}

/** A heading as a paragraph: what is shown in passing is no part of the page's outline. */
function asParagraph(unit) {
  const paragraph = document.createElement("p");
  paragraph.className = "unit";
  paragraph.append(...unit.childNodes);
  return paragraph;
}
