// Saved filters: this browser keeps them, separately for each user.
import { say } from "./announcer.js";
import { byId, list } from "./page.js";

const MOST = 20;
const MOST_IN_TOOLBAR = 2;
const section = byId("saved");
const key = `feed-filters-${section.dataset.owner}`;

const isFilter = (each) => typeof each?.name === "string" && typeof each?.query === "string";

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(key));
    return Array.isArray(found) ? found.filter(isFilter).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function write(filters, done) {
  let said = done;
  try {
    localStorage.setItem(key, JSON.stringify(filters.slice(0, MOST)));
  } catch {
    said = "This browser does not save filters.";
  }
  show();
  say(said);
}

const without = (name) => read().filter((each) => each.name !== name);

function remove(name) {
  write(without(name), `The filter ${name} was removed.`);
  document.querySelector(".sf-filter > summary").focus();
}

// Returns a copy of a template whose link opens the filter.
function linked(template, { name, query }) {
  const item = byId(template).content.cloneNode(true);
  const link = item.querySelector("a");
  link.href = `${list.dataset.page}?${query}`;
  if (query === list.dataset.query) link.setAttribute("aria-current", "true");
  item.querySelector("bdi").textContent = name;
  return item;
}

function itemOf(filter) {
  const { name } = filter;
  const item = linked("saved-row", filter);
  const button = item.querySelector("button");
  button.querySelector(".visually-hidden").textContent = `Remove the saved filter ${name}`;
  button.addEventListener("click", (event) => {
    // The list is drawn again, so the click would seem to be outside the panel.
    event.stopPropagation();
    remove(name);
  });
  return item;
}

// The toolbar shows the filters that were saved last. On the page of a filter, its conditions need
// the room.
function showInToolbar(filters) {
  const first = byId("saved-first");
  first.replaceChildren(...filters.slice(0, MOST_IN_TOOLBAR).map((each) => linked("saved-link", each)));
  first.hidden = !filters.length || document.querySelector(".sf-feed-chip") !== null;
}

function show() {
  const filters = read();
  showInToolbar(filters);
  byId("saved-list").replaceChildren(...filters.map(itemOf));
  byId("saved-list").hidden = !filters.length;
  section.hidden = !filters.length && !byId("save");
}

// Describes the filter of this page, as the suggested name.
function suggestion() {
  const operations = document.querySelectorAll(".sf-feed-ops :checked");
  const values = document.querySelectorAll(".sf-feed-chip > bdi");
  const words = [...operations].map((box) => box.parentElement.textContent.trim());
  return [...words, ...[...values].map((each) => each.textContent)].join(", ").slice(0, 40);
}

function save() {
  const name = byId("saved-name").value.trim() || suggestion();
  const filter = { name, query: list.dataset.query };
  write([filter, ...without(name)], `The filter ${name} was saved.`);
}

export function prepareSaved() {
  show();
  if (!byId("save")) return;
  byId("saved-name").value = suggestion();
  byId("save").addEventListener("click", save);
  byId("saved-name").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    // Enter would apply the filter again.
    event.preventDefault();
    save();
  });
}
