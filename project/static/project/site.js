// The script of every page. It runs before the page is drawn, so that the right theme is shown at
// once. The chosen theme is stored under the same key as in Django's admin. Bootstrap and the
// tokens read the theme from an attribute of the root element.
const TOAST_MILLISECONDS = 12000;
const RESUBMIT_MILLISECONDS = 5000;
const THEMES = ["auto", "light", "dark"];
const root = document.documentElement;
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
const all = (selector) => [...document.querySelectorAll(selector)];

// A browser may forbid storage. `localStorage` is then null, or reading it raises an error.
let unstoredTheme = "auto";
const storedTheme = () => {
  try {
    return localStorage.getItem("theme");
  } catch {
    return unstoredTheme;
  }
};
const storeTheme = (theme) => {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    unstoredTheme = theme;
  }
};

const chosenTheme = () => {
  const theme = storedTheme();
  return THEMES.includes(theme) ? theme : "auto";
};

const applyTheme = () => {
  const theme = chosenTheme();
  const system = prefersDark.matches ? "dark" : "light";
  root.dataset.bsTheme = theme === "auto" ? system : theme;
  all("[data-theme-choice]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  });
};

// While the server does not respond, the live parts of a page are marked as stale, so that old data
// does not look healthy.
let heard = new Date();
const markStale = (stale) => {
  const note = document.getElementById("stale");
  // If the browser is offline, the banner already says so.
  const noted = stale && navigator.onLine;
  all("[data-live]").forEach((part) => part.classList.toggle("sf-stale", stale));
  if (note && note.hidden === noted) {
    note.hidden = !noted;
    note.textContent = noted
      ? `No response since ${heard.toISOString().slice(11, 19)} UTC. This page shows data from that time.`
      : "";
  }
};
const onAnswer = ({ detail: { successful } }) => {
  if (successful) heard = new Date();
  markStale(!successful);
};

// The next successful response of the server removes the mark.
const showOffline = () => {
  const banner = document.getElementById("offline");
  if (banner) banner.hidden = navigator.onLine;
  if (!navigator.onLine) markStale(true);
};

const prepareThemes = () => {
  all("[data-theme-row]").forEach((row) => {
    row.hidden = false;
  });
  all("[data-theme-choice]").forEach((button) => {
    button.addEventListener("click", () => {
      storeTheme(button.dataset.themeChoice);
      applyTheme();
    });
  });
};

// Parts of a page may be replaced, so these listeners are on the document.
const onClick = (event) => {
  const toast = event.target.closest("[data-dismiss]")?.closest(".sf-toast");
  if (toast) toast.remove();
};

// The second click of a double click would cancel the response to the first. That response may
// contain the cookie of a new session, and the second request may be refused as a duplicate.
const submitted = new WeakMap();
const onSubmit = (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[method=post i]")) return;
  if (event.timeStamp - submitted.get(form) < RESUBMIT_MILLISECONDS) event.preventDefault();
  else submitted.set(form, event.timeStamp);
};

// A success message disappears, unless the pointer or the focus is on it.
const fade = (toast) => {
  const used = () => toast.matches(":hover, :focus-within");
  setTimeout(() => (used() ? fade(toast) : toast.remove()), TOAST_MILLISECONDS);
};

const types = (target) => target.closest?.("input, textarea, select, [contenteditable], dialog");

const onKey = (event) => {
  const search = document.getElementById("site-search");
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (event.key !== "/" || modified || event.defaultPrevented || types(event.target) || !search) return;
  event.preventDefault();
  search.focus();
  search.select();
};

applyTheme();
prefersDark.addEventListener("change", applyTheme);
window.addEventListener("online", showOffline);
window.addEventListener("offline", showOffline);
document.addEventListener("click", onClick);
document.addEventListener("submit", onSubmit);
document.addEventListener("htmx:afterRequest", onAnswer);
// A page that uses the key itself listens on the document, and gets the event first.
window.addEventListener("keydown", onKey);
document.addEventListener("DOMContentLoaded", () => {
  prepareThemes();
  applyTheme();
  showOffline();
  all("[data-dismiss]").forEach((button) => {
    button.hidden = false;
  });
  all(".sf-toast-success").forEach(fade);
});
