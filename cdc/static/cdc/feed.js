// The live feed: adds each change from the stream to the top of the list.
// Everything in a change is shown as text, never as markup.
const MOST_ROWS = 500;
const ROWS_PER_FRAME = 12;
const DRAW_MS = 8;
const ANNOUNCE_MS = 10_000;
const AGES_MS = 5_000;
const SILENCE_MS = 20_000;
const RELOAD_MS = 2_000;
const ONLINE_MS = 2_000;
const LABELS = { c: "Created", u: "Updated", d: "Deleted", r: "Resent" };
const STATES = {
  connecting: "Connecting…",
  up: "Live: changes appear here as they happen.",
  paused: "Paused: new changes are collected until you resume.",
  away: "Kafka is not responding. New changes are kept and will appear here automatically.",
  lost: "Connection lost. Reconnecting. Changes that you miss will be loaded afterwards.",
  full: "There are too many readers at the moment. This page tries again automatically.",
  denied: "You no longer have access to the feed. Log in again to continue.",
};

const byId = (id) => document.getElementById(id);
const list = byId("changes");
const template = byId("row");
const stateLine = byId("state");
const pauseButton = byId("pause");
const newButton = byId("new");
const announcer = byId("said");

// Changes that are not in the list yet, oldest first; at most MOST_ROWS.
let waiting = [];
let unseen = 0;
const rowsByPlace = new Map();
let paused = false;
let drawing = false;
let state = "connecting";

const part = (row, name) => row.querySelector(`[data-${name}]`);

function valueOf(text) {
  const node = document.createElement(text === null ? "i" : "bdi");
  node.textContent = text === null ? "none" : text;
  return node;
}

function fieldOf([name, before, after]) {
  const item = document.createElement("li");
  const field = document.createElement("span");
  field.className = "sf-field";
  field.textContent = name;
  const old = document.createElement("del");
  old.append(valueOf(before));
  const arrow = document.createElement("span");
  arrow.setAttribute("aria-hidden", "true");
  arrow.textContent = "→";
  const now = document.createElement("ins");
  now.append(valueOf(after));
  item.append(field, " ", old, " ", arrow, " ", now);
  return item;
}

const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function noteOf(change) {
  if (!change.op) {
    return [change.why, `${change.bytes} bytes.`].filter(Boolean).join(" ");
  }
  const more = change.more ? `${plural(change.more, "more field")}. ` : "";
  return more + (change.hidden ? `${plural(change.hidden, "personal field")} hidden.` : "");
}

// Matches the server's format; a browser may abbreviate September as "Sept".
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
function clock(moment) {
  const [day, time] = moment.toISOString().split("T");
  const [year, month] = day.split("-");
  return `${moment.getUTCDate()} ${MONTHS[month - 1]} ${year}, ${time.slice(0, 8)} UTC`;
}

function ago(moment) {
  const seconds = Math.max(0, Math.round((Date.now() - moment) / 1000));
  if (seconds < 60) return ` (${seconds} s ago)`;
  if (seconds < 3600) return ` (${Math.floor(seconds / 60)} min ago)`;
  if (seconds < 86_400) return ` (${Math.floor(seconds / 3600)} h ago)`;
  return ` (${Math.floor(seconds / 86_400)} d ago)`;
}

function showAge(row) {
  const time = part(row, "time");
  const text = time.dateTime ? ago(Date.parse(time.dateTime)) : "";
  // To write an unchanged text again would cause a new layout of the page.
  if (part(row, "ago").textContent !== text) part(row, "ago").textContent = text;
}

function rowOf(change) {
  const row = template.content.firstElementChild.cloneNode(true);
  const kind = Object.hasOwn(LABELS, change.op) ? change.op : "x";
  part(row, "op").className = `sf-op sf-op-${kind}`;
  part(row, "op").querySelector("use").setAttribute("href", `#sf-op-${kind}`);
  part(row, "word").textContent = LABELS[kind] ?? "Unrecognised message";
  part(row, "title").textContent = kind === "x" ? "" : change.title || "Untitled";
  if (change.page) part(row, "page").setAttribute("href", change.page);
  part(row, "key").textContent = kind === "x" ? "" : `#${change.key}`;
  const fields = change.fields ?? [];
  part(row, "fields").replaceChildren(...fields.map(fieldOf));
  part(row, "fields").hidden = !fields.length;
  const note = noteOf(change);
  part(row, "note").textContent = note;
  part(row, "note").hidden = !note;
  if (change.at) {
    part(row, "time").dateTime = change.at;
    part(row, "time").textContent = clock(new Date(change.at));
    showAge(row);
  }
  part(row, "who").textContent = change.who ? `by ${change.who}` : "";
  part(row, "place").textContent = `partition ${change.partition}, offset ${change.offset}`;
  const address = list.dataset.changeUrl.replace("0/0/", `${change.partition}/${change.offset}/`);
  part(row, "json-link").setAttribute("href", address);
  row.dataset.change = `${change.partition}:${change.offset}`;
  rowsByPlace.set(row.dataset.change, row);
  row.dataset.new = "";
  part(row, "copy").hidden = false;
  return row;
}

// Rows are added only while the top of the list is visible, so that rows do not move while a person
// reads them. The observer reports whether the top is visible, without a new layout of the page.
let atTop = true;
new IntersectionObserver((entries) => {
  atTop = entries.at(-1).isIntersecting;
  showNew();
  if (waiting.length) drawSoon();
}).observe(byId("top"));

function showNew() {
  newButton.hidden = !unseen || paused || atTop;
  newButton.textContent = `${unseen} new`;
  pauseButton.textContent = !paused ? "Pause" : unseen ? `Resume (${unseen} new)` : "Resume";
}

function draw() {
  drawing = false;
  if (paused || !atTop) {
    showNew();
    return;
  }
  const until = performance.now() + DRAW_MS;
  const rows = [];
  while (waiting.length && rows.length < ROWS_PER_FRAME && performance.now() < until) {
    rows.unshift(rowOf(waiting.shift()));
  }
  unseen = waiting.length;
  list.prepend(...rows);
  while (list.children.length > MOST_ROWS) {
    rowsByPlace.delete(list.lastElementChild.dataset.change);
    list.lastElementChild.remove();
  }
  byId("empty").hidden = true;
  showNew();
  if (waiting.length) drawSoon();
}

function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function take(change) {
  waiting.push(change);
  if (waiting.length > MOST_ROWS) waiting.shift();
  unseen += 1;
  unannounced += 1;
  drawSoon();
}

function gapOf(gap) {
  const row = document.createElement("li");
  row.className = "sf-change sf-gap";
  const missing = gap.missing === null ? "some changes" : `up to ${plural(gap.missing, "change")}`;
  row.textContent = `Missing here: ${missing}. ${gap.why}`;
  return row;
}

function takeDelays({ changes }) {
  for (const [partition, offset, ms] of changes) {
    const row = rowsByPlace.get(`${partition}:${offset}`);
    if (row) part(row, "delay").textContent = `replicated in ${ms} ms`;
  }
}

// Screen readers do not announce every change, only the number of new changes at long intervals.
let unannounced = 0;
setInterval(() => {
  if (unannounced) announcer.textContent = plural(unannounced, "new change");
  unannounced = 0;
}, ANNOUNCE_MS);
setInterval(() => {
  if (!document.hidden) list.querySelectorAll("[data-row]").forEach(showAge);
}, AGES_MS);

function showState(next) {
  state = next;
  stateLine.hidden = false;
  stateLine.textContent = STATES[paused && state === "up" ? "paused" : state];
  stateLine.className = `sf-verdict sf-state ${state === "up" && !paused ? "sf-good" : ""} ${
    state === "away" || state === "denied" ? "sf-bad" : ""
  }`;
}

function pause(on) {
  paused = on;
  showState(state);
  pauseButton.setAttribute("aria-pressed", String(on));
  showNew();
  drawSoon();
}

// The stream, which all pages of this browser share (see feed_streams.js). A hidden page gives up
// its stream immediately, and later resumes at its position.
let position = list.dataset.live;
const follows = list.dataset.follows === "true";
const address = `${list.dataset.stream}?${new URLSearchParams(list.dataset.query)}&key=${list.dataset.key}`;
let port = null;
let answered = 0;
let denied = false;

const actions = {
  change: take,
  applied: takeDelays,
  gap: (gap) => list.prepend(gapOf(gap)),
  state: ({ kafka }) => showState(kafka),
  lost: () => showState("lost"),
  full: () => showState("full"),
  // A page that was rendered while Kafka was unreachable lacks the earlier changes, so the page is
  // reloaded. After the delay, Kafka is usually able to return these changes.
  here: () => setTimeout(() => location.reload(), RELOAD_MS),
  bye: () => {
    denied = true;
    showState("denied");
  },
};

function receive({ data: { name, data, position: at } }) {
  answered = performance.now();
  if (denied) return;
  position = at || position;
  actions[name]?.(data);
}

function usePort(next) {
  port?.close();
  port = next;
  port.onmessage = receive;
  answered = performance.now();
  report();
}

async function useOwnStreams() {
  const { attach } = await import(list.dataset.streams);
  const channel = new MessageChannel();
  attach(channel.port1);
  usePort(channel.port2);
}

function usePortOfWorker() {
  if (!window.SharedWorker) return useOwnStreams();
  // Pages of another session use another worker.
  const options = { type: "module", name: list.dataset.key };
  const worker = new SharedWorker(list.dataset.streams, options);
  worker.addEventListener("error", useOwnStreams);
  return usePort(worker.port);
}

// The worker knows from these messages that the page exists, and the page from their answers that
// the worker does.
function report() {
  const wanted = !document.hidden && navigator.onLine && !denied;
  port?.postMessage(wanted ? { address, position } : {});
}

function keepReporting() {
  if (!document.hidden && performance.now() - answered > SILENCE_MS) usePortOfWorker();
  report();
}

function follow() {
  usePortOfWorker();
  setInterval(keepReporting, AGES_MS);
  window.addEventListener("pagehide", () => port?.postMessage({}));
  window.addEventListener("pageshow", report);
  window.addEventListener("offline", () => {
    if (!denied) showState("lost");
    report();
  });
  // The random delay keeps browsers apart whose network returns at the same time.
  window.addEventListener("online", () => setTimeout(report, Math.random() * ONLINE_MS));
  document.addEventListener("visibilitychange", () => {
    report();
    drawSoon();
  });
}

// The details of a row are fetched when the user opens or copies them.
async function details(row) {
  const shown = part(row, "json");
  if (shown.hidden) {
    const answer = await fetch(part(row, "json-link").href);
    shown.textContent = answer.ok
      ? await answer.text()
      : "The details could not be loaded. Try again.";
    shown.hidden = false;
  }
  return shown.textContent;
}

async function copy(button) {
  const row = button.closest("[data-row]");
  const text = await details(row);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without TLS, a browser may refuse access to the clipboard. The text is then selected, so that
    // the user can copy it.
    getSelection().selectAllChildren(part(row, "json"));
    button.textContent = "Selected: press Ctrl+C";
  }
}

list.addEventListener("toggle", (event) => {
  const row = event.target.closest("[data-row]");
  if (row && event.target.open) details(row).catch(() => {});
}, true);
list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button).catch(() => {});
});
list.querySelectorAll("[data-row]").forEach((row) => {
  part(row, "copy").hidden = false;
  showAge(row);
});

function isTyping(node) {
  return node.closest("input, textarea, select, button, summary, a, pre, [contenteditable]");
}

if (follows) {
  list.querySelectorAll("[data-change]").forEach((row) => rowsByPlace.set(row.dataset.change, row));
  pauseButton.hidden = false;
  pauseButton.addEventListener("click", () => pause(!paused));
  newButton.addEventListener("click", () => {
    window.scrollTo({ top: 0 });
    pauseButton.focus({ preventScroll: true });
    pause(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && !event.repeat && !isTyping(event.target)) {
      event.preventDefault();
      pause(!paused);
    }
  });
  showState(position ? "connecting" : "away");
  follow();
}
