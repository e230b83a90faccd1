// The drawer with everything about one change, which is fetched when the drawer shows the change.
import { factsOf, fieldsOf, leadOf, linksOf } from "./details.js";
import { focusOn, rows } from "./list.js";
import { addressOf, byId, list } from "./page.js";

const drawer = byId("drawer");
const body = byId("drawer-body");
const problem = byId("drawer-problem");
const copyButton = byId("copy");
const PARTS = ["drawer-facts", "drawer-links", "drawer-fields"];
const FAILED = "The details could not be loaded.";
// Below this width, a row is narrow and its title is in the middle of it.
const narrow = matchMedia("(max-width: 63.99rem)");
let row = null;
let change = null;
let request = new AbortController();
let loaded = Promise.resolve("");

const isBusy = () => body.hasAttribute("aria-busy");
export const isOpen = () => drawer.open;
export const current = () => (row?.isConnected ? row : null);

function empty() {
  change = null;
  problem.hidden = true;
  byId("drawer-message").hidden = true;
  byId("drawer-loading").hidden = false;
  PARTS.forEach((id) => byId(id).replaceChildren());
}

// What the drawer shows stays until the next change is loaded, so that nothing moves meanwhile.
function begin() {
  request.abort();
  request = new AbortController();
  if (!change) empty();
  copyButton.textContent = "Copy JSON";
  body.setAttribute("aria-busy", "true");
  byId("drawer-links").inert = true;
}

function end() {
  body.removeAttribute("aria-busy");
  byId("drawer-links").inert = false;
  byId("drawer-loading").hidden = true;
}

const showFacts = () => byId("drawer-facts").replaceChildren(...factsOf(change, row));

// What an update changed comes first; the values of a whole row would push the facts out of sight.
function placeFields() {
  if (change.before && change.after) byId("drawer-facts").before(byId("drawer-fields"));
  else byId("drawer-links").after(byId("drawer-fields"));
}

function show(text, place) {
  change = JSON.parse(text);
  end();
  byId("drawer-message").hidden = false;
  byId("drawer-json").textContent = text;
  showFacts();
  byId("drawer-links").replaceChildren(...linksOf(change, place));
  byId("drawer-fields").replaceChildren(...fieldsOf(change));
  placeFields();
}

function fail(sentence) {
  empty();
  end();
  byId("drawer-sentence").textContent = sentence || FAILED;
  problem.hidden = false;
}

// Loads and shows a change. Returns its JSON, or an empty text if it could not be loaded.
async function load(place) {
  begin();
  const { signal } = request;
  try {
    const answer = await fetch(addressOf(place), { signal });
    const text = await answer.text();
    if (signal.aborted) return "";
    if (answer.headers.get("Content-Type")?.includes("json")) {
      show(text, place);
      return text;
    }
    fail(answer.headers.get("Content-Type")?.startsWith("text/plain") ? text : "");
  } catch {
    if (!signal.aborted) fail(FAILED);
  }
  return "";
}

export function open(next) {
  row?.removeAttribute("aria-current");
  row = next;
  row.setAttribute("aria-current", "true");
  byId("drawer-title").textContent = `Change ${row.dataset.change}`;
  byId("drawer-lead").replaceChildren(...leadOf(row));
  byId("drawer-json-link").href = addressOf(row.dataset.change);
  if (!drawer.open) {
    drawer.showModal();
    byId("drawer-title").focus();
  }
  drawer.scrollTop = 0;
  row.scrollIntoView({ block: "nearest" });
  const all = rows();
  byId("drawer-newer").disabled = row === all[0];
  byId("drawer-older").disabled = row === all.at(-1);
  loaded = load(row.dataset.change);
}

// Moves by one row: down to an older change, or up to a newer one.
export function move(step) {
  const all = rows();
  const focused = document.activeElement.closest?.("#changes > [data-change]");
  const from = drawer.open ? row : focused;
  const next = all[from ? all.indexOf(from) + step : 0];
  if (!next) return;
  if (drawer.open) open(next);
  else focusOn(next);
}

export async function copy() {
  const text = await loaded;
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text);
    copyButton.textContent = "Copied";
  } catch {
    // Without TLS, a browser may refuse access to the clipboard. The text is then selected, so that
    // the user can copy it.
    getSelection().selectAllChildren(byId("drawer-json"));
    copyButton.textContent = "Selected: press Ctrl+C";
  }
}

function closed() {
  request.abort();
  empty();
  row?.removeAttribute("aria-current");
  if (row?.isConnected) focusOn(row);
}

// On a phone, the link to the story is a part of the row, because the drawer has the same link.
const isPartOfRow = (link) => link.matches("[data-json-link]") || narrow.matches;

function clicked(event) {
  const found = event.target.closest("#changes > [data-change]");
  const link = event.target.closest("a");
  if (!found || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link && !isPartOfRow(link)) return;
  if (!link && !getSelection().isCollapsed) return;
  event.preventDefault();
  open(found);
}

export function prepareDrawer() {
  list.addEventListener("click", clicked);
  list.addEventListener("delays", () => change && !isBusy() && showFacts());
  drawer.addEventListener("close", closed);
  drawer.addEventListener("click", (event) => event.target === drawer && drawer.close());
  byId("drawer-close").addEventListener("click", () => drawer.close());
  byId("drawer-retry").addEventListener("click", () => {
    loaded = load(row.dataset.change);
    byId("drawer-title").focus();
  });
  byId("drawer-newer").addEventListener("click", () => move(-1));
  byId("drawer-older").addEventListener("click", () => move(1));
  copyButton.addEventListener("click", copy);
}
