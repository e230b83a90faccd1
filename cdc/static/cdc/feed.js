// The live feed: puts each change that the stream brings on top of the list.
// Everything that comes is text: it is never read as markup.
const MOST_ROWS = 500;
const ROWS_PER_FRAME = 12;
const DRAW_MS = 8;
const SAY_MS = 10_000;
const AGES_MS = 5_000;
const SILENCE_MS = 40_000;
const HIDDEN_MS = 60_000;
const RELOAD_MS = 2_000;
const LONGEST_WAIT_MS = 15_000;
const WORDS = { c: "Created", u: "Updated", d: "Deleted", r: "Sent again" };
const SENTENCES = {
  connecting: "Connecting…",
  up: "Live: changes appear here as they happen.",
  paused: "Paused: what happens is collected until you go on.",
  away: "Kafka does not answer: what is saved now is kept and appears here by itself.",
  lost: "The connection is lost. It is tried again; nothing is missed.",
  over: "You may not read the feed any more. Log in again to go on.",
};

const byId = (id) => document.getElementById(id);
const list = byId("changes");
const template = byId("row");
const stateLine = byId("state");
const pauseButton = byId("pause");
const newButton = byId("new");
const said = byId("said");

// Changes that came and are not in the list yet, the oldest first; more than the list can hold
// would be cut off again at its other end.
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

function noteOf(change) {
  if (!change.op) {
    return [change.why, `${change.bytes} bytes.`].filter(Boolean).join(" ");
  }
  const more = change.more ? `${change.more} more. ` : "";
  return more + (change.hidden ? `${change.hidden} about people, not shown to you.` : "");
}

// As the server writes it; a browser's own English has "Sept" for September.
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
  // Most ages have not changed: what is not written need not be laid out again.
  if (part(row, "ago").textContent !== text) part(row, "ago").textContent = text;
}

function rowOf(change) {
  const row = template.content.firstElementChild.cloneNode(true);
  const kind = Object.hasOwn(WORDS, change.op) ? change.op : "x";
  part(row, "op").className = `sf-op sf-op-${kind}`;
  part(row, "op").querySelector("use").setAttribute("href", `#sf-op-${kind}`);
  part(row, "word").textContent = WORDS[kind] ?? "Not an event of ours";
  part(row, "title").textContent = kind === "x" ? "" : change.title || "Untitled";
  if (change.page) part(row, "story").setAttribute("href", change.page);
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
  const address = list.dataset.change.replace("0/0/", `${change.partition}/${change.offset}/`);
  part(row, "whole").setAttribute("href", address);
  row.dataset.at = `${change.partition}:${change.offset}`;
  rowsByPlace.set(row.dataset.at, row);
  row.dataset.new = "";
  part(row, "copy").hidden = false;
  return row;
}

// Rows are put in only while the list's top is in sight: nothing that somebody reads moves. The
// browser says when that changes, so nobody has to measure the page for it.
let atTop = true;
new IntersectionObserver((entries) => {
  atTop = entries.at(-1).isIntersecting;
  showNew();
  if (waiting.length) drawSoon();
}).observe(byId("top"));

function showNew() {
  newButton.hidden = !unseen || paused || atTop;
  newButton.textContent = `${unseen} new`;
  pauseButton.textContent = !paused ? "Pause" : unseen ? `Go on (${unseen} new)` : "Go on";
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
    rowsByPlace.delete(list.lastElementChild.dataset.at);
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
  unsaid += 1;
  drawSoon();
}

function gapOf(gap) {
  const row = document.createElement("li");
  row.className = "sf-change sf-gap";
  const many = gap.missing === null ? "Some changes are" : `Up to ${gap.missing} changes are`;
  row.textContent = `${many} missing here. ${gap.why}`;
  return row;
}

function takeDelays({ changes }) {
  for (const [partition, offset, ms] of changes) {
    const row = rowsByPlace.get(`${partition}:${offset}`);
    if (row) part(row, "delay").textContent = `copied in ${ms} ms`;
  }
}

// What is said aloud: a number, seldom.
let unsaid = 0;
setInterval(() => {
  if (unsaid) said.textContent = `${unsaid} new change${unsaid === 1 ? "" : "s"}`;
  unsaid = 0;
}, SAY_MS);
setInterval(() => {
  if (!document.hidden) list.querySelectorAll("[data-row]").forEach(showAge);
}, AGES_MS);

function showState(next) {
  state = next;
  stateLine.hidden = false;
  stateLine.textContent = SENTENCES[paused && state === "up" ? "paused" : state];
  stateLine.className = `sf-verdict sf-state ${state === "up" && !paused ? "sf-good" : ""} ${
    state === "away" || state === "over" ? "sf-bad" : ""
  }`;
}

function pause(on) {
  paused = on;
  showState(state);
  pauseButton.setAttribute("aria-pressed", String(on));
  showNew();
  drawSoon();
}

// The stream. A browser connects again by itself and says how far it came; where it gives up, or
// where nothing may be read any more, it is asked here.
let source = null;
let place = list.dataset.live;
const follows = list.dataset.follows === "true";
let failures = 0;
let heard = 0;
let over = false;

function address() {
  const query = new URLSearchParams(list.dataset.query);
  if (place) query.set("after", place);
  return `${list.dataset.stream}?${query}`;
}

function on(name, act) {
  source.addEventListener(name, (event) => {
    place = event.lastEventId || place;
    heard = performance.now();
    failures = 0;
    act(JSON.parse(event.data));
  });
}

function connect() {
  if (over || source || !navigator.onLine) return;
  source = new EventSource(address());
  heard = performance.now();
  on("change", take);
  on("applied", takeDelays);
  on("gap", (gap) => list.prepend(gapOf(gap)));
  on("state", ({ kafka }) => showState(kafka));
  // A page that was made while Kafka was away shows nothing of what went before. Who has just come
  // back may not give it at once.
  on("here", () => setTimeout(() => location.reload(), RELOAD_MS));
  on("alive", () => {});
  on("bye", end);
  source.addEventListener("error", () => {
    if (over) return;
    showState("lost");
    if (source.readyState === EventSource.CLOSED) comeAgain();
  });
}

// A cut line can stay silent for many minutes before anybody tells the browser.
setInterval(() => {
  if (source && performance.now() - heard > SILENCE_MS) {
    disconnect();
    showState("lost");
    connect();
  }
}, AGES_MS);
window.addEventListener("offline", () => {
  if (over || !source) return;
  disconnect();
  showState("lost");
});
window.addEventListener("online", () => {
  if (follows && !document.hidden) connect();
});

function disconnect() {
  source?.close();
  source = null;
}

function end() {
  over = true;
  disconnect();
  showState("over");
}

async function comeAgain() {
  disconnect();
  failures += 1;
  await new Promise((done) => setTimeout(done, Math.min(500 * 2 ** failures, LONGEST_WAIT_MS)));
  try {
    const asked = await fetch(list.dataset.page, { method: "HEAD", redirect: "manual" });
    if (asked.type === "opaqueredirect" || asked.status === 403) {
      end();
      return;
    }
  } catch {
    // no network: the stream is tried all the same
  }
  connect();
}

// A page that nobody sees gives its connection back: a browser has only a few for a site.
let leaving = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(leaving);
  if (document.hidden) {
    leaving = setTimeout(disconnect, HIDDEN_MS);
  } else if (follows) {
    connect();
    drawSoon();
  }
});

// A row's whole change is fetched when it is opened or copied.
async function whole(row) {
  const shown = part(row, "json");
  if (shown.hidden) {
    const answer = await fetch(part(row, "whole").href);
    shown.textContent = answer.ok
      ? await answer.text()
      : "This change cannot be had now: try again.";
    shown.hidden = false;
  }
  return shown.textContent;
}

async function copy(button) {
  const row = button.closest("[data-row]");
  const text = await whole(row);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without TLS a browser may refuse: the text is marked for the reader's own key.
    getSelection().selectAllChildren(part(row, "json"));
    button.textContent = "Marked: press Ctrl+C";
  }
}

list.addEventListener("toggle", (event) => {
  const row = event.target.closest("[data-row]");
  if (row && event.target.open) whole(row).catch(() => {});
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
  list.querySelectorAll("[data-whole]").forEach((link) => {
    const [partition, offset] = link.getAttribute("href").split("/").slice(-3);
    const row = link.closest("[data-row]");
    row.dataset.at = `${partition}:${offset}`;
    rowsByPlace.set(row.dataset.at, row);
  });
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
  showState(place ? "connecting" : "away");
  connect();
}
