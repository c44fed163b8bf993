// A list of time zones ([data-zone]) where nothing was chosen yet starts with
// the browser's own.
const list = document.querySelector("select[data-zone]");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (list && own) {
  if (![...list.options].some((o) => o.value === own)) list.add(new Option(own.replaceAll("_", " "), own), 0);
  list.value = own;
}
