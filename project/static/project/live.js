// While the server does not respond, the live parts of a page are marked as stale, so that old data
// does not look healthy.
const note = document.getElementById("stale");
let heard = new Date();
const mark = (stale) => {
  document.querySelectorAll("[data-live]").forEach((part) => part.classList.toggle("sf-stale", stale));
  if (note.hidden === stale) {
    note.hidden = !stale;
    note.textContent = stale
      ? `No response since ${heard.toISOString().slice(11, 19)} UTC. This page shows data from that time.`
      : "";
  }
};
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) heard = new Date();
  mark(!event.detail.successful);
});
