// Shows a banner while the browser is offline.
const show = () => {
  document.getElementById("offline").hidden = navigator.onLine;
};
window.addEventListener("online", show);
window.addEventListener("offline", show);
show();
