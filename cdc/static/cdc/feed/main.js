// The live feed: adds each change from the stream to the top of the list.
import { follow } from "./connection.js";
import { prepareDrawer } from "./drawer.js";
import { prepareKeys } from "./keys.js";
import { prepareRows, watch } from "./list.js";
import { byId, list } from "./page.js";
import { prepareSaved } from "./saved.js";

prepareRows();
prepareDrawer();
prepareKeys();
prepareSaved();
// Empty fields do not belong in the address.
byId("filter").addEventListener("formdata", ({ formData }) => {
  [...formData].forEach(([name, value]) => value || formData.delete(name));
});
if (list.dataset.follows === "true") {
  watch();
  follow();
}
