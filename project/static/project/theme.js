// Applies the light, the dark or the system's theme. The choice is stored under the same key as in
// Django's admin. Bootstrap reads the theme from an attribute of the root element.
const THEMES = ["auto", "light", "dark"];
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const chosen = () => {
  const theme = localStorage.getItem("theme");
  return THEMES.includes(theme) ? theme : "auto";
};
const apply = () => {
  const theme = chosen();
  const shown = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  document.documentElement.dataset.bsTheme = shown;
  document.querySelectorAll("[data-theme-switch]").forEach((button) => {
    button.textContent = `Theme: ${theme}`;
    button.hidden = false;
  });
};
apply();
dark.addEventListener("change", apply);
document.addEventListener("DOMContentLoaded", () => {
  apply();
  document.querySelectorAll("[data-theme-switch]").forEach((button) => {
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
      localStorage.setItem("theme", next);
      apply();
    });
  });
});
