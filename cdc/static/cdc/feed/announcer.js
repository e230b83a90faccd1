// What screen readers say: at most one sentence in five seconds, and always the newest one.
import { byId } from "./page.js";

const SHORTEST_MS = 5_000;
const region = byId("said");
let pending = "";
let timer = 0;
let said = -SHORTEST_MS;

function speak() {
  timer = 0;
  said = performance.now();
  region.textContent = pending;
}

export function say(text) {
  pending = text;
  timer ||= setTimeout(speak, Math.max(0, said + SHORTEST_MS - performance.now()));
}
