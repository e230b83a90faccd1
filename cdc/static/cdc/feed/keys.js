// The keyboard shortcuts; the key ? lists them.
import { copy, isOpen, move, open } from "./drawer.js";
import { pause, showNew } from "./list.js";
import { byId, isControl, isTyping, list } from "./page.js";

const dialog = byId("keys");
const filter = document.querySelector(".sf-filter");
const follows = list.dataset.follows === "true";

const focused = () => document.activeElement.closest?.("#changes > [data-change]");

function openFilter(name) {
  filter.open = true;
  filter.querySelector(`[name=${name}]`).focus();
}

function copyFocused() {
  if (!isOpen()) {
    if (!focused()) return false;
    open(focused());
  }
  copy();
  return true;
}

function openFocused(event) {
  if (isOpen() || event.target !== focused()) return false;
  open(event.target);
  return true;
}

function arrow(step) {
  if (!isOpen() && !focused()) return false;
  if (isOpen() && document.activeElement.id === "drawer-json") return false;
  move(step);
  return true;
}

// An action returns false if the key keeps its usual meaning.
const ACTIONS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => arrow(1),
  ArrowUp: () => arrow(-1),
  Enter: openFocused,
  c: copyFocused,
  "?": () => dialog.showModal(),
};
const ACTIONS_OF_LIST = { f: () => openFilter("story"), g: () => openFilter("time") };
const ACTIONS_OF_STREAM = { p: () => pause(), n: showNew };

function actionOf({ key, target }) {
  if (key === " ") return follows && !isControl(target) && !isOpen() ? ACTIONS_OF_STREAM.p : null;
  return ACTIONS[key] ?? (isOpen() ? null : (ACTIONS_OF_LIST[key] ?? (follows && ACTIONS_OF_STREAM[key])));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key === " ") return;
  if (isTyping(event.target) || dialog.open || event.defaultPrevented) return;
  const action = actionOf(event);
  if (action && action(event) !== false) event.preventDefault();
}

export function prepareKeys() {
  document.addEventListener("keydown", pressed);
  byId("show-keys").hidden = false;
  byId("show-keys").addEventListener("click", () => dialog.showModal());
  byId("keys-close").addEventListener("click", () => dialog.close());
  filter.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !filter.open) return;
    filter.open = false;
    filter.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    if (!filter.contains(event.target)) filter.open = false;
  });
  // A filter by operation is applied at once.
  byId("filter").addEventListener("change", ({ target }) => {
    if (target.name === "op") target.form.requestSubmit();
  });
}
