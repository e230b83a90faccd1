// Builds the row of a change. Everything in a change is shown as text, never as markup.
import { addressOf, byId, clock, day, element, fullTime, part, plural } from "./page.js";

const LABELS = { c: "Created", u: "Updated", d: "Deleted", r: "Resent" };
const NOTES = { c: "New row", d: "Row removed", r: "Sent again, without a change" };
const UNKNOWN_FIELDS = "The message does not say which fields changed.";
const template = byId("row");

export function valueOf(text) {
  return text === null ? element("i", "", "none") : element("bdi", "", text);
}

function fieldOf([name, before, after], title) {
  const arrow = element("span", "sf-arrow", "→");
  arrow.setAttribute("aria-hidden", "true");
  const [old, now] = [element("del", "", valueOf(before)), element("ins", "", valueOf(after))];
  const kind = after === title ? "sf-field-change sf-field-repeats" : "sf-field-change";
  return element("span", kind, element("span", "sf-field", name), " ", old, " ", arrow, " ", now);
}

// The number of changed fields for which the row has no room. A narrow window shows only one field.
function moreOf({ fit = 0, rest = 0 }) {
  const several = fit > 1;
  const narrow = several ? [countOf(rest + fit - 1, "sf-further-narrow")] : [];
  const wide = rest ? [countOf(rest, several ? "sf-further-wide" : "")] : [];
  return [...narrow, ...wide];
}

function countOf(fields, width) {
  const count = element("span", `sf-further ${width}`, `+${plural(fields, "field")}`);
  count.title = plural(fields, "more changed field");
  return count;
}

// The fields for which the row has no room, for screen readers.
function restOf({ fields = [], fit = 0, more = 0 }) {
  const values = ([name, before, after]) => [`${name} `, valueOf(before), " → ", valueOf(after), " "];
  return [...fields.slice(fit).flatMap(values), more ? `and ${more} more` : ""];
}

function noteOf(change) {
  if (!change.op) return [change.why, `${change.bytes} bytes.`].filter(Boolean).join(" ");
  const hidden = change.hidden ? `${plural(change.hidden, "personal field")} hidden.` : "";
  const unknown = change.op === "u" && !change.fields.length && !hidden ? UNKNOWN_FIELDS : "";
  return hidden + (NOTES[change.op] ?? unknown);
}

function showTime(time, at) {
  const moment = new Date(at);
  const isToday = at.slice(0, 10) === new Date().toISOString().slice(0, 10);
  time.dateTime = at;
  time.title = fullTime(moment);
  time.textContent = isToday ? clock(moment) : `${day(moment)} ${clock(moment)}`;
}

// Readers who may not see people have no cell for the user.
function showUser(cell, user) {
  if (!cell || !user) return;
  cell.textContent = user;
  cell.title = `by ${user}`;
}

function showPlace(row, place) {
  const [partition, offset] = place.split(":");
  part(row, "place").textContent = `Details: partition ${partition}, offset ${offset}`;
  part(row, "short-place").textContent = place;
  part(row, "json-link").setAttribute("href", addressOf(place));
}

export function showDelay(row, milliseconds) {
  const spoken = element("span", "visually-hidden", `delay ${milliseconds} ms`);
  const shown = element("span", "", `${(milliseconds / 1000).toFixed(2)} s`);
  shown.setAttribute("aria-hidden", "true");
  part(row, "delay").replaceChildren(spoken, shown);
}

export const showOnItsWay = (row) => part(row, "delay").replaceChildren("on its way");
export const showNoReport = (row) => part(row, "delay").replaceChildren("no report");

export function rowOf(change) {
  const row = template.content.firstElementChild.cloneNode(true);
  const kind = Object.hasOwn(LABELS, change.op) ? change.op : "x";
  part(row, "op").className = `sf-op sf-op-${kind}`;
  part(row, "op").querySelector("use").setAttribute("href", `#sf-op-${kind}`);
  part(row, "word").textContent = LABELS[kind] ?? "Unrecognised";
  part(row, "title").textContent = kind === "x" ? "" : change.title || "Untitled";
  if (change.page) part(row, "page").setAttribute("href", change.page);
  part(row, "key").textContent = kind === "x" ? "" : `#${change.key}`;
  const fitting = (change.fields ?? []).slice(0, change.fit);
  part(row, "fields").replaceChildren(...fitting.map((field) => fieldOf(field, change.title)));
  part(row, "further").replaceChildren(...moreOf(change));
  part(row, "rest").replaceChildren(...restOf(change));
  part(row, "note").textContent = noteOf(change);
  if (change.at) showTime(part(row, "time"), change.at);
  showUser(part(row, "who"), change.who);
  row.dataset.change = `${change.partition}:${change.offset}`;
  showPlace(row, row.dataset.change);
  row.dataset.new = "";
  return row;
}

export function gapOf(gap) {
  const missing = gap.missing === null ? "some changes" : `up to ${plural(gap.missing, "change")}`;
  const reload = element("a", "", "Reload the page");
  reload.href = location.href;
  const cell = element("td", "", `Missing here: ${missing}. ${gap.why} `, reload);
  cell.setAttribute("role", "cell");
  const row = element("tr", "sf-gap", cell);
  row.setAttribute("role", "row");
  return row;
}
