// What a script adds to forms: character counts, visible passwords, and texts to choose from. The
// forms also work without this script.
const NEAR = 20;
const PAUSE_MILLISECONDS = 1000;
const MOSTLY_FULL = 0.8;

// A form sends a line break as two characters.
const lengthOf = (field) => field.value.replaceAll("\n", "\r\n").length;

const plural = (number) => (number === 1 ? "1 character" : `${number} characters`);

// Nothing is announced until the limit is near and the person pauses.
const announcement = (left) => {
  if (left > NEAR) return "";
  return left < 0 ? `${plural(-left)} too many` : `${plural(left)} left`;
};

const added = (field, className) => {
  const part = document.createElement("p");
  part.className = className;
  field.after(part);
  return part;
};

const prepareCount = (field) => {
  const most = field.maxLength;
  const said = added(field, "visually-hidden");
  const shown = added(field, "sf-count sf-number");
  let timer = 0;
  said.setAttribute("role", "status");
  shown.setAttribute("aria-hidden", "true");
  const show = () => {
    const used = lengthOf(field);
    shown.textContent = `${used} / ${most}`;
    shown.classList.toggle("sf-count-over", used > most);
    // Few addresses are long, so the count of an address is hidden until the limit is near.
    shown.hidden = field.type === "url" && used < most * MOSTLY_FULL;
    clearTimeout(timer);
    timer = setTimeout(() => {
      said.textContent = announcement(most - used);
    }, PAUSE_MILLISECONDS);
  };
  field.addEventListener("input", show);
  show();
  // The count shows the limit to those who see it.
  field.parentElement.querySelector("[data-limit]")?.classList.add("visually-hidden");
};

const reveal = (field, button, visible) => {
  field.type = visible ? "text" : "password";
  button.setAttribute("aria-pressed", String(visible));
};

const prepareReveal = (field) => {
  const button = document.getElementById("reveal")?.content.firstElementChild.cloneNode(true);
  const [label] = field.labels;
  if (!button || !label) return;
  button.querySelector("[data-of]").textContent = label.firstChild.textContent.trim().toLowerCase();
  // While the password is visible, the browser could send it to a spelling checker.
  field.spellcheck = false;
  field.autocapitalize = "none";
  field.after(button);
  button.addEventListener("click", () => reveal(field, button, field.type === "password"));
  // The browser must not remember a password as the text of a field.
  field.form.addEventListener("submit", () => reveal(field, button, false));
};

const fill = (event) => {
  const link = event.target.closest("[data-fill]");
  const field = link && document.getElementById(link.dataset.fill);
  if (!field) return;
  event.preventDefault();
  field.value = link.dataset.text;
  field.dispatchEvent(new Event("input"));
  field.focus();
};

document.querySelectorAll("[data-count]").forEach(prepareCount);
document.querySelectorAll("input[type=password]").forEach(prepareReveal);
document.addEventListener("click", fill);
