// The operators' pages: what a screen reader announces while a page refreshes itself, the focus after
// a refresh, and the selection of dead letters. Without this script, everything can be done by hand.
const APART_MILLISECONDS = 5000;
const announcement = document.getElementById("announcement");
let announced = document.querySelector("[data-announce]")?.dataset.announce;
let spokeAt = -Infinity;
let timer = 0;

// Without htmx, a page does not update itself.
if (window.htmx) document.getElementById("live")?.removeAttribute("hidden");

// Only a new state is announced, and at most one in five seconds.
const announce = () => {
  const state = document.querySelector("[data-announce]")?.dataset.announce;
  const wait = spokeAt + APART_MILLISECONDS - performance.now();
  clearTimeout(timer);
  if (!announcement || !state || state === announced) return;
  if (wait > 0) {
    timer = setTimeout(announce, wait);
    return;
  }
  announced = state;
  spokeAt = performance.now();
  announcement.textContent = `${state}.`;
};

// htmx moves the focus to the new element with the same ID. Without such an element, the focus would be lost.
const REPLACED_BY = { pause: "resume", resume: "pause" };
let focused = "";
document.addEventListener("htmx:beforeSwap", (event) => {
  const active = document.activeElement;
  focused = event.detail.target.contains(active) ? active.id : "";
});
document.addEventListener("htmx:afterSettle", () => {
  announce();
  if (focused && document.activeElement === document.body) {
    (document.getElementById(focused) ?? document.getElementById(REPLACED_BY[focused]))?.focus({
      preventScroll: true,
    });
  }
  focused = "";
});

const prepareSelection = (form) => {
  const all = form.querySelector("[data-select-all]");
  const note = form.querySelector("[data-selected]");
  const boxes = [...form.querySelectorAll("input[name=letter]")];
  if (!all) return;
  const show = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    note.textContent = count ? `${count} selected` : "";
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    show();
  });
  form.addEventListener("change", show);
  show();
};
document.querySelectorAll("[data-selection]").forEach(prepareSelection);
