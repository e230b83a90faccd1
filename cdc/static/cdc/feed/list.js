// The list: adds new changes at the top, or holds them back while the page is paused or is read.
//
// The list is drawn at most twice a second. One drawing takes up to FRAMES animation frames with at
// most ROWS_PER_FRAME rows each, so that a burst makes no long task.
import { say } from "./announcer.js";
import { byId, list, part, plural } from "./page.js";
import { gapOf, rowOf, showDelay, showNoReport, showOnItsWay } from "./row.js";
import { showPaused } from "./state.js";

const MOST_ROWS = 500;
const REDRAW_MS = 500;
const FRAMES = 4;
const ROWS_PER_FRAME = 12;
const ANNOUNCE_MS = 10_000;
const REPORT_MS = 30_000;
const MOST_EARLY = 1000;
const pauseButton = byId("pause");
const newButton = byId("new");

// Changes and gaps that are not in the list yet, oldest first.
let waiting = [];
let unseen = 0;
let unannounced = 0;
let paused = false;
let atTop = true;
let timer = 0;
let drawn = -REDRAW_MS;
const rowsByPlace = new Map();
// The rows whose delay is not known yet, and the time at which they were drawn.
const undelivered = new Map();
// Delays that were reported before their changes arrived.
const earlyDelays = new Map();

const isRead = () => list.contains(document.activeElement) || byId("drawer").open;
const isHeld = () => paused || !atTop || isRead();

function showCounts() {
  newButton.hidden = !unseen || paused || !isHeld();
  newButton.textContent = `${unseen} new`;
  pauseButton.textContent = !paused ? "Pause" : unseen ? `Resume (${unseen} new)` : "Resume";
  pauseButton.classList.toggle("btn-primary", paused);
  pauseButton.classList.toggle("btn-outline-secondary", !paused);
}

function drawOne(item) {
  if (item.gap) return gapOf(item.gap);
  const row = rowOf(item.change);
  rowsByPlace.set(row.dataset.change, row);
  const delay = earlyDelays.get(row.dataset.change);
  if (delay === undefined) awaitReport(row);
  else showDelay(row, delay);
  earlyDelays.delete(row.dataset.change);
  prepare(row);
  return row;
}

function awaitReport(row) {
  showOnItsWay(row);
  undelivered.set(row.dataset.change, performance.now());
}

function trim() {
  while (list.children.length > MOST_ROWS) {
    const place = list.lastElementChild.dataset.change;
    rowsByPlace.delete(place);
    undelivered.delete(place);
    list.lastElementChild.remove();
  }
}

function showTable() {
  byId("empty").hidden = true;
  list.closest("table").hidden = false;
}

function drawFrame(frames) {
  if (isHeld()) {
    showCounts();
  } else {
    const items = waiting.splice(0, ROWS_PER_FRAME);
    list.prepend(...items.map(drawOne).reverse());
    trim();
    unseen = waiting.length ? unseen - items.length : 0;
    if (items.length) showTable();
    keepTabStop();
    showCounts();
    if (waiting.length && frames > 1) {
      requestAnimationFrame(() => drawFrame(frames - 1));
      return;
    }
  }
  drawn = performance.now();
  timer = 0;
  if (waiting.length && !isHeld()) drawSoon();
}

function drawSoon() {
  if (document.hidden) return;
  timer ||= setTimeout(
    () => requestAnimationFrame(() => drawFrame(FRAMES)),
    Math.max(0, drawn + REDRAW_MS - performance.now()),
  );
}

// One row is in the order of the Tab key; the other rows are reached from it.
function prepare(row) {
  row.tabIndex = -1;
  row.querySelectorAll("a").forEach((link) => {
    link.tabIndex = -1;
  });
}

function keepTabStop() {
  list.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
  list.querySelector("[data-change]")?.setAttribute("tabindex", "0");
}

export const rows = () => [...list.querySelectorAll("[data-change]")];

export function focusOn(row) {
  list.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
  row.tabIndex = 0;
  row.focus();
}

export function take(change) {
  waiting.push({ change });
  // Older changes would leave the list at once.
  if (waiting.length > MOST_ROWS) waiting.shift();
  unseen += 1;
  unannounced += 1;
  drawSoon();
}

export function takeGap(gap) {
  waiting.push({ gap });
  say("Some changes are missing. Reload the page to see all changes.");
  drawSoon();
}

// A delay may be known before its change has arrived or its row is drawn.
function keepEarly(place, milliseconds) {
  earlyDelays.set(place, milliseconds);
  if (earlyDelays.size > MOST_EARLY) earlyDelays.delete(earlyDelays.keys().next().value);
}

export function takeDelays({ changes }) {
  for (const [partition, offset, milliseconds] of changes) {
    const place = `${partition}:${offset}`;
    const row = rowsByPlace.get(place);
    if (row) showDelay(row, milliseconds);
    else keepEarly(place, milliseconds);
    undelivered.delete(place);
  }
  list.dispatchEvent(new Event("delays"));
}

const isReported = (row) => Boolean(part(row, "delay").querySelector("[aria-hidden]"));

// A report of a delay may be lost with a connection, so a row waits for it only for a limited time.
function giveUpReports() {
  for (const [place, at] of undelivered) {
    if (performance.now() - at < REPORT_MS) return;
    undelivered.delete(place);
    const row = rowsByPlace.get(place);
    if (row && !isReported(row)) showNoReport(row);
  }
}

export function pause(on = !paused) {
  paused = on;
  pauseButton.setAttribute("aria-pressed", String(on));
  showPaused(on);
  showCounts();
  drawSoon();
}

export function showNew() {
  if (list.contains(document.activeElement)) document.activeElement.blur();
  window.scrollTo({ top: 0 });
  atTop = true;
  pauseButton.focus({ preventScroll: true });
  pause(false);
}

function announce() {
  if (unannounced) say(`${plural(unannounced, "new change")}.`);
  unannounced = 0;
}

export function prepareRows() {
  rows().forEach(prepare);
  keepTabStop();
}

export function watch() {
  for (const row of rows()) {
    rowsByPlace.set(row.dataset.change, row);
    if (!isReported(row)) undelivered.set(row.dataset.change, performance.now());
  }
  pauseButton.hidden = false;
  pauseButton.addEventListener("click", () => pause());
  newButton.addEventListener("click", showNew);
  list.addEventListener("focusout", () => setTimeout(drawSoon));
  byId("drawer").addEventListener("close", () => setTimeout(drawSoon));
  document.addEventListener("visibilitychange", drawSoon);
  setInterval(announce, ANNOUNCE_MS);
  setInterval(giveUpReports, REDRAW_MS * 10);
  // The observer reports whether the top is visible, without a new layout of the page.
  new IntersectionObserver((entries) => {
    atTop = entries.at(-1).isIntersecting;
    showCounts();
    if (waiting.length) drawSoon();
  }).observe(byId("top"));
}
