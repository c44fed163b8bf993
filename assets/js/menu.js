// Menus and dialogs: <details data-menu> closes on Escape, on a click
// elsewhere and when something was chosen; arrows move inside it.
const open = () => document.querySelectorAll("details[data-menu][open]");
const items = (menu) => [...menu.querySelectorAll(".menu-i")];

// keep an opened panel inside the window, wherever its button stands
document.addEventListener("toggle", (e) => {
  const panel = e.target.open && e.target.matches?.("[data-menu]") && e.target.querySelector(".pop");
  if (!panel) return;
  panel.style.translate = "";
  const r = panel.getBoundingClientRect(), edge = 8;
  const by = Math.min(0, innerWidth - edge - r.right) || Math.max(0, edge - r.left);
  if (by) panel.style.translate = `${by}px`;
}, true);

document.addEventListener("click", (e) => {
  for (const menu of open()) if (!menu.contains(e.target) || e.target.closest(".menu-i")) menu.open = false;
  const opener = e.target.closest("[data-dialog]");
  if (opener) {
    e.preventDefault();
    document.getElementById(opener.dataset.dialog)?.showModal();
  }
  if (e.target instanceof HTMLDialogElement) e.target.close();
});

document.addEventListener("keydown", (e) => {
  const menu = e.target.closest?.("details[data-menu]");
  if (e.key === "Escape" && open().length) {
    e.preventDefault();
    for (const m of open()) { m.open = false; if (m === menu) m.querySelector("summary").focus(); }
    return;
  }
  if (!menu || (e.key !== "ArrowDown" && e.key !== "ArrowUp")) return;
  e.preventDefault();
  menu.open = true;
  const all = items(menu), at = all.indexOf(document.activeElement), by = e.key === "ArrowDown" ? 1 : -1;
  all.at(at < 0 ? (by > 0 ? 0 : -1) : (at + by) % all.length)?.focus();
});
