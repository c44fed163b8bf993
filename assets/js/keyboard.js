// One-key shortcuts, never while typing. A page marks what they reach:
// [data-row] for j, k and Enter, [data-search] for / and the arrow down, #reply for r,
// [data-note-toggle] for n, and [data-key="e"] for any other button.
const typing = "input:not([type=checkbox], [type=radio], [type=range], [type=button]), textarea, select, [contenteditable], dialog";

function rows(by) {
  const all = [...document.querySelectorAll("[data-row]")];
  if (!all.length) return;
  const focus = all.indexOf(document.activeElement), current = all.findIndex((r) => r.getAttribute("aria-current") === "true");
  const at = focus >= 0 ? focus : current;
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

const keys = {
  j: () => rows(1),
  k: () => rows(-1),
  "/": () => document.querySelector("[data-search]")?.focus(),
  r: () => document.querySelector("#reply")?.focus(),
  n: () => document.querySelector("[data-note-toggle]")?.click(),
};

document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && e.target.matches?.("#reply, [data-search]")) { e.target.blur(); return; }
  if (e.key === "ArrowDown" && e.target.matches?.("[data-search]")) {
    e.preventDefault();
    document.querySelector("[data-row]")?.focus();
    return;
  }
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.(typing)) return;
  if (keys[e.key]) {
    e.preventDefault();
    keys[e.key]();
  } else if (/^[a-z?]$/.test(e.key)) {
    const button = document.querySelector(`[data-key="${e.key}"]`);
    if (!button) return;
    e.preventDefault();
    button.click();
  }
});
