// The elements of the page, and small helpers that several modules use.
export const byId = (id) => document.getElementById(id);
export const list = byId("changes");

export const part = (row, name) => row.querySelector(`[data-${name}]`);

export const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

// Returns an element with this class and these children; texts are never markup.
export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export const clock = (moment) => moment.toISOString().slice(11, 19);

// Matches the server's format; a browser may abbreviate September as "Sept".
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
export function day(moment) {
  return `${moment.getUTCDate()} ${MONTHS[moment.getUTCMonth()]}`;
}

export function fullTime(moment) {
  return `${day(moment)} ${moment.getUTCFullYear()}, ${moment.toISOString().slice(11, 23)} UTC`;
}

export const addressOf = (place) =>
  list.dataset.changeUrl.replace("0/0/", `${place.replace(":", "/")}/`);

export const linkTo = (place) => {
  const [partition, offset] = place.split(":");
  return `${list.dataset.page}?partition=${partition}&offset=${offset}#asked`;
};

export const isTyping = (node) => Boolean(node.closest("input, textarea, select, [contenteditable]"));
export const isControl = (node) => isTyping(node) || Boolean(node.closest("button, summary, a, pre"));
