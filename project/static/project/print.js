// Buttons that print the page. Without a script, the browser's own menu prints it.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
