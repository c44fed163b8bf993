// <kith-toast>: goes away after data-seconds, waits while pointed at or
// focused, and at once when its cross or Undo is pressed.
customElements.define("kith-toast", class extends HTMLElement {
  connectedCallback() {
    this.querySelector("[data-close]")?.addEventListener("click", () => this.remove());
    this.addEventListener("htmx:after:request", () => this.remove());
    for (const name of ["pointerenter", "focusin"]) this.addEventListener(name, () => clearTimeout(this.timer));
    for (const name of ["pointerleave", "focusout"]) this.addEventListener(name, () => this.wait());
    this.wait();
  }
  disconnectedCallback() { clearTimeout(this.timer); }
  wait() {
    clearTimeout(this.timer);
    const seconds = Number(this.dataset.seconds);
    if (seconds > 0) this.timer = setTimeout(() => this.remove(), seconds * 1000);
  }
});
