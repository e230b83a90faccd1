// A vote or a filter that the server does not answer is named on the page. htmx itself shows nothing.
const FAILED = "Nothing was changed, because the server did not respond. Try again.";

const showFailure = (event) => {
  if (!event.detail.elt.closest(".sf-vote, [hx-boost]")) return;
  const shown = document.getElementById("failed") ?? document.createElement("p");
  shown.id = "failed";
  shown.className = "sf-notice sf-notice-bad sf-failed";
  shown.setAttribute("role", "alert");
  shown.textContent = FAILED;
  document.getElementById("main").prepend(shown);
};

const hideFailure = (event) => {
  if (event.detail.successful) document.getElementById("failed")?.remove();
};

for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, showFailure);
}
document.addEventListener("htmx:afterRequest", hideFailure);
