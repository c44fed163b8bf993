// A thread ([data-stick]) stays at its end while the reader is there. It
// finds threads again after every swap, because pages replace each other. One
// that is opened at a message ([data-at]) begins there.
const wired = new WeakSet();

function stick(box) {
  if (wired.has(box)) return;
  wired.add(box);
  let end = true;
  const go = () => { if (end) box.scrollTop = box.scrollHeight; };
  box.addEventListener("scroll", () => { end = box.scrollHeight - box.scrollTop - box.clientHeight < 48; }, { passive: true });
  // The box itself too: a composer that grows must not cover the last message.
  const sizes = new ResizeObserver(go);
  sizes.observe(box);
  if (box.firstElementChild) sizes.observe(box.firstElementChild);
  new MutationObserver(go).observe(box, { childList: true, subtree: true });
  box.addEventListener("load", go, true);
  if (location.hash) end = !box.querySelector(":target");
  const at = box.dataset.at && document.getElementById(box.dataset.at);
  if (at) {
    end = false;
    at.classList.add("found");
    at.scrollIntoView({ block: "center" });
  }
  go();
}

const find = () => document.querySelectorAll("[data-stick]").forEach(stick);
find();
document.addEventListener("htmx:after:swap", find);
