// Says when the browser has no network, so that nobody waits for an answer.
const show = () => {
  document.getElementById("offline").hidden = navigator.onLine;
};
window.addEventListener("online", show);
window.addEventListener("offline", show);
show();
