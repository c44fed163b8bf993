// <kith-countdown>: what is left of the reply window. The seconds come from
// the server, so a wrong clock in the browser does not matter.
customElements.define("kith-countdown", class extends HTMLElement {
  static observedAttributes = ["data-seconds"];
  connectedCallback() { this.start(); }
  disconnectedCallback() { clearTimeout(this.timer); }
  attributeChangedCallback() { if (this.isConnected) this.start(); }

  start() {
    const left = Number(this.dataset.seconds) * 1000;
    this.until = performance.now() + left;
    this.wall = Date.now() + left;
    this.closed = left <= 0;
    this.tick();
  }

  tick() {
    clearTimeout(this.timer);
    // performance.now stops while some systems sleep; the wall clock does not.
    const left = Math.max(0, Math.min(this.until - performance.now(), this.wall - Date.now()) / 1000);
    const minutes = Math.ceil(left / 60);
    const words = minutes < 60 ? this.dataset.minutes : minutes % 60 ? this.dataset.hours : this.dataset.whole;
    const text = this.querySelector("[data-left]"), arc = this.querySelector(".ar");
    if (text) text.textContent = words.replace("{h}", Math.floor(minutes / 60)).replace("{m}", minutes >= 60 ? minutes % 60 : minutes);
    arc?.setAttribute("stroke-dasharray", `${Math.max(2, (left / Number(this.dataset.total || 86400)) * 100)} 100`);
    this.classList.toggle("soon", left <= 7200);
    if (left > 0) this.timer = setTimeout(() => this.tick(), Math.min(15000, left * 1000 + 50));
    else if (!this.closed) {
      this.closed = true;
      this.dispatchEvent(new CustomEvent("window-closed", { bubbles: true }));
    }
  }
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) for (const c of document.querySelectorAll("kith-countdown")) c.tick();
});
