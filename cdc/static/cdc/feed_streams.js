// The streams of all pages of the live feed in one browser. A browser has only a few connections for
// each site, so pages with the same filter share a stream, and there are few streams at a time.
//
// This module runs in a shared worker. A browser without shared workers runs it in each page.
//
// While a page is visible, it sends its stream's address and its position. When it is hidden, it
// sends an empty message. A position is a tag of the topic and the next offset of each partition, in
// base 36.
const MOST_STREAMS = 3;
const TURN_MS = 5_000;
const SILENCE_MS = 40_000;
const PAGE_SILENCE_MS = 30_000;
const SHORTEST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const EVENTS = ["change", "applied", "gap", "state", "here", "alive", "bye"];

const streams = new Map();
const pages = new Set();

const parts = (position) => position.split(".");
// Base-36 numbers without leading zeros: the longer one is larger.
const compare = (a, b) => a.length - b.length || (a < b ? -1 : Number(a > b));

function sameTopic(a, b) {
  return parts(a)[0] === parts(b)[0] && parts(a).length === parts(b).length;
}

// Whether a page at position `a` has everything before position `b`.
function covers(a, b) {
  return sameTopic(a, b) && parts(b).every((offset, n) => compare(parts(a)[n], offset) >= 0);
}

function merged(a, b, sign) {
  const other = parts(b);
  const pick = (mine, n) => (sign * compare(mine, other[n]) >= 0 ? mine : other[n]);
  return parts(a).map(pick).join(".");
}

const earlier = (a, b) => merged(a, b, -1);

function later(page, id) {
  if (!id) return page;
  return sameTopic(page, id) ? merged(page, id, 1) : id;
}

// A stream may start before the position of a page, for the sake of another page.
function isKnown(page, name, data, id) {
  if (name === "gap") return covers(page.position, id);
  if (name !== "change" || !sameTopic(page.position, id)) return false;
  return compare(data.offset.toString(36), parts(page.position)[data.partition + 1]) < 0;
}

class Stream {
  pages = new Set();
  source = null;
  position = "";
  state = null;
  failures = 0;
  heard = 0;
  turn = 0; // the time at which the last turn began or ended
  waiting = 0;

  constructor(address) {
    this.address = address;
  }

  // Returns the earliest position of the pages. A page with changes of an older topic, which has been
  // deleted since, is reloaded.
  start() {
    const placed = [...this.pages].filter((page) => page.position);
    const newest = placed.at(-1)?.position ?? "";
    const outdated = placed.filter((page) => !sameTopic(page.position, newest));
    outdated.forEach((page) => page.send("here"));
    const others = placed.filter((page) => !outdated.includes(page));
    return others.map((page) => page.position).reduce(earlier, newest);
  }

  open() {
    this.position = this.start();
    const after = this.position && `&after=${this.position}`;
    const source = new EventSource(this.address + after);
    this.source = source;
    this.turn = this.heard = Date.now();
    EVENTS.forEach((name) => {
      source.addEventListener(name, (event) => this.take(name, event));
    });
    source.addEventListener("error", () => {
      this.send("lost");
      if (source.readyState === EventSource.CLOSED) this.retry();
    });
  }

  close() {
    this.source?.close();
    if (this.source) this.turn = Date.now();
    this.source = null;
  }

  send(name, data = null) {
    this.pages.forEach((page) => page.send(name, data));
  }

  take(name, { data: text, lastEventId: id }) {
    const data = JSON.parse(text);
    this.position = id || this.position;
    this.heard = Date.now();
    this.failures = 0;
    if (name === "state") this.state = data;
    for (const page of this.pages) {
      const known = isKnown(page, name, data, id);
      page.position = later(page.position, id);
      if (!known) page.send(name, data);
    }
    if (name === "bye") this.end();
  }

  end() {
    this.close();
    this.pages.forEach((page) => page.rest());
  }

  // Adds a page. The stream starts again if it is past the page's position.
  add(page) {
    this.pages.add(page);
    if (!this.source) return;
    if (!page.position) {
      if (this.position) page.send("here");
    } else if (covers(page.position, this.position)) {
      if (this.state) page.send("state", this.state);
    } else {
      this.close();
    }
  }

  // Asks the server whether a stream is possible, and then opens the stream. The random times
  // spread the requests of browsers that have lost their streams together.
  retry(wait = Math.random() * Math.min(SHORTEST_WAIT_MS * 2 ** this.failures, LONGEST_WAIT_MS)) {
    this.close();
    this.failures += 1;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.ask(), wait);
  }

  async ask() {
    const answer = await fetch(this.address, { method: "HEAD", cache: "no-store" }).catch(() => null);
    if (!this.waiting) return;
    if (answer?.status === 403) {
      this.send("bye");
      this.end();
    } else if (answer?.ok) {
      this.waiting = 0;
      schedule();
    } else {
      this.send(answer?.status === 503 ? "full" : "lost");
      const after = Number(answer?.headers.get("Retry-After")) * 1_000;
      this.retry(after ? after * (1 + Math.random()) : undefined);
    }
  }
}

class Page {
  stream = null;
  position = "";
  heard = 0;

  constructor(port) {
    this.port = port;
    port.onmessage = ({ data }) => this.take(data);
  }

  send(name, data = null) {
    this.port.postMessage({ name, data, position: this.position });
  }

  take({ address, position }) {
    this.heard = Date.now();
    if (!address) {
      this.rest();
    } else if (this.stream?.address !== address) {
      this.rest();
      // Changes may be on their way to the page, which does not know of them yet.
      this.position ||= position;
      this.follow(address);
    }
    schedule();
    this.send("present");
  }

  follow(address) {
    pages.add(this);
    if (!streams.has(address)) streams.set(address, new Stream(address));
    this.stream = streams.get(address);
    this.stream.add(this);
  }

  rest() {
    this.stream?.pages.delete(this);
    this.stream = null;
    pages.delete(this);
  }
}

// Opens the streams that pages need. If there are too many, they take turns.
function schedule() {
  for (const [address, stream] of streams) {
    if (!stream.pages.size) {
      stream.close();
      clearTimeout(stream.waiting);
      stream.waiting = 0;
      streams.delete(address);
    }
  }
  const byTurn = [...streams.values()].sort((a, b) => a.turn - b.turn);
  const open = byTurn.filter((stream) => stream.source);
  for (const next of byTurn.filter((stream) => !stream.source && !stream.waiting)) {
    if (open.length >= MOST_STREAMS) {
      if (Date.now() - open[0].turn < TURN_MS) return;
      open.shift().close();
    }
    next.open();
    open.push(next);
  }
}

setInterval(() => {
  const now = Date.now();
  for (const page of pages) {
    if (now - page.heard > PAGE_SILENCE_MS) page.rest(); // The page has ended without a message.
  }
  for (const stream of streams.values()) {
    // A browser may notice a broken connection only after many minutes.
    if (stream.source && now - stream.heard > SILENCE_MS) {
      stream.send("lost");
      stream.close();
    }
  }
  schedule();
}, 1_000);

// Serves the page at the other end of a port.
export function attach(port) {
  new Page(port);
}

if ("SharedWorkerGlobalScope" in self) {
  self.onconnect = ({ ports: [port] }) => attach(port);
}
