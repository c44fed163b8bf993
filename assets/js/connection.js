// <kith-connection>: says when the browser is offline, and when the event
// stream has been gone for more than a moment.
customElements.define("kith-connection", class extends HTMLElement {
  connectedCallback() {
    this.lost = false;
    addEventListener("online", () => this.state());
    addEventListener("offline", () => this.state());
    const back = () => { clearTimeout(this.timer); this.lost = false; this.state(); };
    // A hidden tab closes its stream on purpose and opens it when seen again.
    const gone = () => {
      clearTimeout(this.timer);
      if (document.hidden) return;
      this.timer = setTimeout(() => { this.lost = true; this.state(); }, 5000);
    };
    document.addEventListener("visibilitychange", back);
    document.addEventListener("htmx:sse:after:connection", back);
    document.addEventListener("htmx:sse:after:message", back);
    document.addEventListener("htmx:sse:error", gone);
    document.addEventListener("htmx:sse:close", gone);
    this.state();
  }
  state() {
    const text = !navigator.onLine ? this.dataset.offline : this.lost ? this.dataset.liveLost : "";
    this.hidden = !text;
    if (this.textContent !== text) this.textContent = text;
  }
});
