/** The reading view: steps from find to find, and previews of what "side 11" leads to. */

import { fill } from "./fill.js";
import { anchorOf } from "./pages.js";
import { previewLinks } from "./preview.js";

previewLinks(".page-reference", (link) => document.getElementById(anchorOf(link.href)));

const steps = document.querySelector(".steps");
const status = document.getElementById("status");
const total = Number(steps?.dataset.total);
let current = 0;

function step(by) {
  current = current === 0 && by < 0 ? total : ((current - 1 + by + total) % total) + 1;
  const find = document.getElementById(`fund.${current}`);
  document.querySelector(".found.current")?.classList.remove("current");
  find.classList.add("current");
  find.scrollIntoView({ block: "center" });
  const words = fill(steps.dataset.words, { number: current, count: total });
  steps.querySelector(".step").textContent = words;
  const title = find.closest(".chapter").querySelector("h2, h3, h4, h5").textContent;
  status.textContent = `${words}: ${title}`;
}

steps?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (button) step(Number(button.dataset.step));
});
