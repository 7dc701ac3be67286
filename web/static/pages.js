/** Other pages of this site, fetched to show a part of them here. */

const KEPT = 12;
const PATIENCE = 20_000;

const pages = new Map(); // address → promise of its document

/** The page at an address as a document; asked for once, and anew after a failure. */
export function pageAt(address) {
  const known = address.split("#", 1)[0];
  const page = pages.get(known) ?? fetched(known);
  pages.delete(known);
  pages.set(known, page); // the last one asked for is dropped last
  if (pages.size > KEPT) pages.delete(pages.keys().next().value);
  page.catch(() => pages.delete(known));
  return page;
}

/* Not fetch and DOMParser: a policy of trusted types lets no script parse a text. */
function fetched(address) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.timeout = PATIENCE;
    request.onload = () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(new Error(`${address}: ${request.status}`));
    };
    request.onerror = request.ontimeout = () => reject(new Error(`${address} did not come`));
    request.send();
  });
}

/** The anchor that an address leads to. */
export function anchorOf(address) {
  return decodeURIComponent(new URL(address, location.href).hash.slice(1));
}
