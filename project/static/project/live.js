// A part of a page that renews itself: when the server does not answer, what is shown is old, and
// must not look well.
const note = document.getElementById("stale");
let heard = new Date();
const mark = (stale) => {
  document.querySelectorAll("[data-live]").forEach((part) => part.classList.toggle("sf-stale", stale));
  if (note.hidden === stale) {
    note.hidden = !stale;
    note.textContent = stale
      ? `No answer since ${heard.toISOString().slice(11, 19)} UTC: what you see is from then.`
      : "";
  }
};
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) heard = new Date();
  mark(!event.detail.successful);
});
