// The stream, which all pages of this browser share (see feed_streams.js). A hidden page gives up
// its stream immediately, and later resumes at its position.
import { take, takeDelays, takeGap } from "./list.js";
import { list } from "./page.js";
import { showState } from "./state.js";

const REPORT_MS = 5_000;
const SILENCE_MS = 20_000;
const RELOAD_MS = 2_000;
const ONLINE_MS = 2_000;
const { stream, query, key, streams, live } = list.dataset;
const address = `${stream}?${new URLSearchParams(query)}&key=${key}`;
let position = live;
let port = null;
let answered = 0;
let denied = false;

const actions = {
  change: take,
  applied: takeDelays,
  gap: takeGap,
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
  const { attach } = await import(streams);
  const channel = new MessageChannel();
  attach(channel.port1);
  usePort(channel.port2);
}

function usePortOfWorker() {
  if (!window.SharedWorker) return useOwnStreams();
  // Pages of another session use another worker.
  const worker = new SharedWorker(streams, { type: "module", name: key });
  worker.addEventListener("error", useOwnStreams);
  return usePort(worker.port);
}

// From these messages, the worker knows that the page exists. From the answers, the page knows that
// the worker exists.
function report() {
  const wanted = !document.hidden && navigator.onLine && !denied;
  port?.postMessage(wanted ? { address, position } : {});
}

function keepReporting() {
  if (!document.hidden && performance.now() - answered > SILENCE_MS) usePortOfWorker();
  report();
}

export function follow() {
  showState(position ? "connecting" : "away");
  usePortOfWorker();
  setInterval(keepReporting, REPORT_MS);
  window.addEventListener("pagehide", () => port?.postMessage({}));
  window.addEventListener("pageshow", report);
  window.addEventListener("offline", () => {
    if (!denied) showState("lost");
    report();
  });
  // The random delay spreads the reports of browsers whose network returns at the same time.
  window.addEventListener("online", () => setTimeout(report, Math.random() * ONLINE_MS));
  document.addEventListener("visibilitychange", report);
}
