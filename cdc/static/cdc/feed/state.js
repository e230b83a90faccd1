// The state of the stream: a line at the top of the page, and the colours of the list.
import { say } from "./announcer.js";
import { byId, clock, element, list } from "./page.js";

const TEXTS = {
  connecting: "Connecting…",
  up: "Live",
  paused: "Paused",
  away: "Kafka is not responding. New changes are kept and will appear here automatically.",
  full: "There are too many readers at the moment. This page tries again automatically.",
  denied: "You no longer have access to the feed. Log in again to continue.",
};
const HINTS = {
  up: "Changes appear here as they happen.",
  paused: "New changes are collected until you resume.",
};
const SENTENCES = {
  up: "The feed is live.",
  paused: "The feed is paused.",
  away: "Kafka is not responding.",
  lost: "The connection was lost.",
  full: "The server has too many readers.",
  denied: "You no longer have access to the feed.",
};
const TONES = { up: "good", paused: "warn", away: "bad", full: "warn", denied: "bad" };
const line = byId("state");
const table = list.closest("table");
let state = "connecting";
let since = new Date();
let paused = false;
let shown = "";

function textOf(name) {
  if (name !== "lost") return TEXTS[name];
  return `Connection lost at ${clock(since)} UTC. Reconnecting. Changes that you miss will be loaded afterwards.`;
}

// The pill of a usual state is short; its title and screen readers say what it means.
function showHint(hint = "") {
  line.title = hint;
  if (hint) line.append(element("span", "visually-hidden", `. ${hint}`));
}

function show() {
  const name = paused && state === "up" ? "paused" : state;
  const text = textOf(name);
  if (text === shown) return;
  shown = text;
  line.hidden = false;
  line.replaceChildren(text);
  showHint(HINTS[name]);
  line.className = `sf-state sf-state-${TONES[name] ?? "neutral"}`;
  table.classList.toggle("sf-stale", ["lost", "full", "away", "denied"].includes(state));
  if (SENTENCES[name]) say(SENTENCES[name]);
}

export function showState(next) {
  if (next !== state) since = new Date();
  state = next;
  show();
}

export function showPaused(on) {
  paused = on;
  show();
}
