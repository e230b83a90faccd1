// The page says why a vote or a filter has failed. htmx itself shows nothing.
const SILENCE = "This failed, because the server did not respond. Try again.";
const ERROR = "This failed, because an error occurred on the server. Try again later.";
const REASONS = {
  // A login replaces the token that the forms of all open pages contain.
  403: "Nothing was changed, because you have logged in or out since this page was opened. Reload the page.",
  404: "Nothing was changed, because the story or the page no longer exists. Reload the page.",
  409: "Nothing was changed, because another change is using the same rows. Try again.",
  503: "This failed, because the site is busy or not available. Try again in a moment.",
};

const showFailure = (event) => {
  if (!event.detail.elt.closest(".sf-vote, [hx-boost]")) return;
  const shown = document.getElementById("failed") ?? document.createElement("p");
  shown.id = "failed";
  shown.className = "sf-notice sf-notice-bad sf-failed";
  shown.setAttribute("role", "alert");
  const status = event.detail.xhr?.status;
  shown.textContent = status ? (REASONS[status] ?? ERROR) : SILENCE;
  document.getElementById("main").prepend(shown);
};

const hideFailure = (event) => {
  if (event.detail.successful) document.getElementById("failed")?.remove();
};

for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, showFailure);
}
document.addEventListener("htmx:afterRequest", hideFailure);
