// The parts of the drawer that show one change: the fields before and after, facts, and links.
import { element, fullTime, linkTo, list, part, plural } from "./page.js";
import { valueOf } from "./row.js";

const textOf = (value) =>
  value === null || typeof value === "string" ? value : JSON.stringify(value, null, 1);

const cell = (tag, value) => element("td", "", element(tag, "", valueOf(textOf(value))));

function fieldRow(name, { before, after }) {
  const head = element("th", "", name);
  head.scope = "row";
  const row = element("tr", "", head);
  if (before) row.append(cell("del", before[name] ?? null));
  if (after) row.append(cell("ins", after[name] ?? null));
  return row;
}

function table(names, change, label) {
  const titles = ["Field", change.before && "Before", change.after && "After"].filter(Boolean);
  const heads = titles.map((title) => {
    const head = element("th", "", title);
    head.scope = "col";
    return head;
  });
  const body = element("tbody", "", ...names.map((name) => fieldRow(name, change)));
  const found = element("table", "sf-diff", element("thead", "", element("tr", "", ...heads)), body);
  found.setAttribute("aria-label", label);
  return found;
}

// If the old row was too large or could not be encoded, `before` has only the key.
const isPartial = ({ before, after }) =>
  Boolean(before && after && Object.keys(before).length < Object.keys(after).length);

export function fieldsOf(change) {
  const { before, after } = change;
  if (!before && !after) return [];
  if (isPartial(change)) {
    const note = element("p", "sf-muted", "The message does not contain the old values.");
    return [note, table(Object.keys(after), { before: null, after }, "Values")];
  }
  if (!before || !after) return [table(Object.keys(before ?? after), change, "Values")];
  const same = (name) => JSON.stringify(before[name]) === JSON.stringify(after[name]);
  const names = Object.keys(after);
  const changed = names.filter((name) => !same(name));
  const unchanged = names.filter(same);
  const summary = element("summary", "", plural(unchanged.length, "unchanged field"));
  const rest = table(unchanged, { before: null, after }, "Unchanged fields");
  const first = changed.length
    ? table(changed, change, "Changed fields")
    : element("p", "sf-muted", "No visible field changed.");
  return [first, element("details", "sf-unchanged", summary, rest)];
}

// What the row says of its operation and story.
export function leadOf(row) {
  const operation = part(row, "op").cloneNode(true);
  const title = element("bdi", "", part(row, "title").textContent);
  const key = element("span", "sf-number", part(row, "key").textContent);
  const word = element("span", operation.className, ...operation.childNodes);
  return [word, element("span", "", title, " ", key)];
}

export function factsOf(change, row) {
  const known = part(row, "delay").textContent.replace("–", "");
  const delay = row.querySelector("[data-delay] > [aria-hidden]")?.textContent;
  const facts = [
    ["Time", change.ts_ms && fullTime(new Date(change.ts_ms))],
    ["User", change.user_name ? `${change.user_name} (${change.user})` : change.user],
    ["Position", `partition ${change.partition}, offset ${change.offset}`],
    ["Version", change.version && `epoch ${change.version[0]}, outbox row ${change.version[1]}`],
    ["Delay", delay ?? known],
    ["Problem", change.why],
  ];
  return facts
    .filter(([, value]) => value)
    .flatMap(([name, value]) => [element("dt", "", name), element("dd", "", element("bdi", "", value))]);
}

// Only paths of this site are links, because the answer contains what a message contained.
const isPath = (value) => /^\/(?![/\\])/.test(value ?? "");

export function linksOf(change, place) {
  const links = [
    ["Open the story", change.page],
    ["Replication trace", change.trace],
    ["All changes of this story", change.op && `${list.dataset.page}?${new URLSearchParams({ story: change.key })}`],
    ["Link to this change", linkTo(place)],
  ];
  return links
    .filter(([, address]) => isPath(address))
    .map(([text, address]) => {
      const link = element("a", "", text);
      link.href = address;
      return link;
    });
}
