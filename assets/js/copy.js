// Copy a value; show or hide a secret.
document.addEventListener("click", async (e) => {
  const copy = e.target.closest("[data-copy]");
  if (copy) {
    const input = copy.closest("kith-copy").querySelector("input"), label = copy.querySelector("[data-label]");
    input.select();
    try { await navigator.clipboard.writeText(input.value); } catch { if (!document.execCommand("copy")) return; }
    const before = label.textContent;
    if (before === copy.dataset.done) return;
    label.textContent = copy.dataset.done;
    setTimeout(() => { label.textContent = before; }, 2000);
  }
  const reveal = e.target.closest("[data-reveal]");
  if (reveal) {
    const input = reveal.closest("kith-secret").querySelector("input"), shown = input.type === "text";
    input.type = shown ? "password" : "text";
    reveal.ariaPressed = String(!shown);
  }
});
