// <kith-connection>: says when the browser is offline, and when the event
// stream has been gone for more than a moment. It also notices a stream that
// is dead without saying so, as after sleep or in another network, and has it
// opened anew.
const silence = 40000; // the server beats every 15 seconds
const slept = 5000;

customElements.define("kith-connection", class extends HTMLElement {
  connectedCallback() {
    this.lost = false;
    addEventListener("online", () => { this.state(); this.again(); });
    addEventListener("offline", () => this.state());
    const back = (e) => {
      clearTimeout(this.timer);
      this.timer = 0;
      this.stream = e?.detail?.connection ?? this.stream;
      this.heard = this.looked = Date.now();
      this.lost = false;
      this.state();
    };
    // A hidden tab closes its stream on purpose and opens it when seen again.
    const gone = () => {
      if (!document.hidden) this.timer ||= setTimeout(() => { this.lost = true; this.state(); }, 5000);
    };
    document.addEventListener("visibilitychange", () => back());
    document.addEventListener("htmx:sse:after:connection", back);
    document.addEventListener("htmx:sse:after:message", back);
    document.addEventListener("htmx:sse:error", (e) => {
      if (e.detail?.status === 401) location.reload(); // signed out elsewhere: to the door
      else gone();
    });
    document.addEventListener("htmx:sse:close", () => { this.stream = null; gone(); });
    this.heard = this.looked = Date.now();
    setInterval(() => this.look(), 1000);
    this.state();
  }

  look() {
    const now = Date.now(), away = now - this.looked > slept;
    this.looked = now;
    if (document.hidden) return;
    if (away || now - this.heard > silence) this.again();
  }

  // again ends the stream, which is then opened anew from the last event heard; one that never began is begun.
  again() {
    this.heard = Date.now();
    if (this.stream) this.stream.reader?.cancel();
    else document.getElementById("live")?.dispatchEvent(new Event("again"));
  }

  state() {
    const text = !navigator.onLine ? this.dataset.offline : this.lost ? this.dataset.liveLost : "";
    this.hidden = !text;
    if (this.textContent !== text) this.textContent = text;
  }
});
