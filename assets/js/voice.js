// <kith-voice>: a voice message with its shape. The shape is measured from
// the sound itself when it is first near the screen; a browser that cannot
// decode it shows an even line.
const bars = 32, step = 5, high = 24;

function peaks(buffer) {
  const data = buffer.getChannelData(0), size = Math.floor(data.length / bars) || 1, out = [];
  for (let i = 0; i < bars; i++) {
    let top = 0;
    for (let j = i * size; j < (i + 1) * size; j += 16) top = Math.max(top, Math.abs(data[j] || 0));
    out.push(top);
  }
  const most = Math.max(...out, 0.01);
  return out.map((p) => p / most);
}

function svg(name, attributes) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  return el;
}

customElements.define("kith-voice", class extends HTMLElement {
  connectedCallback() {
    if (this.wired) return;
    this.wired = true;
    this.audio = this.querySelector("audio");
    this.audio.controls = false;
    this.audio.hidden = true;
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "play";
    this.wave = svg("svg", { class: "wave", viewBox: `0 0 ${bars * step} ${high}`, "aria-hidden": "true", preserveAspectRatio: "none" });
    this.seek = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, step: 1, value: 0, ariaLabel: this.dataset.seek });
    const track = document.createElement("span");
    track.className = "track";
    track.append(this.wave, this.seek);
    this.prepend(this.button, track);
    this.draw(Array(bars).fill(0.12));
    this.state();
    this.button.addEventListener("click", () => (this.audio.paused ? this.play() : this.audio.pause()));
    this.seek.addEventListener("input", () => { if (this.audio.duration) this.audio.currentTime = (this.seek.value / 100) * this.audio.duration; });
    for (const name of ["play", "pause", "ended", "timeupdate"]) this.audio.addEventListener(name, () => this.state());
    new IntersectionObserver((seen, watch) => {
      if (!seen.some((s) => s.isIntersecting)) return;
      watch.disconnect();
      this.measure();
    }, { rootMargin: "200px" }).observe(this);
  }

  async measure() {
    try {
      const raw = await (await fetch(this.audio.src)).arrayBuffer();
      this.draw(peaks(await new OfflineAudioContext(1, 1, 8000).decodeAudioData(raw)));
      this.state();
    } catch { /* the even line stays */ }
  }

  play() {
    for (const a of document.querySelectorAll("audio")) if (a !== this.audio) a.pause();
    this.audio.play().catch(() => { this.audio.hidden = false; this.audio.controls = true; });
  }

  draw(values) {
    this.wave.replaceChildren(...values.map((v, i) => {
      const h = Math.max(2, v * (high - 2));
      return svg("rect", { x: i * step, y: (high - h) / 2, width: 3, height: h, rx: 1.5 });
    }));
  }

  state() {
    const paused = this.audio.paused, share = this.audio.duration ? this.audio.currentTime / this.audio.duration : 0;
    this.button.ariaLabel = paused ? this.dataset.play : this.dataset.pause;
    const path = paused ? "M7 4.5v15l12.5-7.5z" : "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z";
    const icon = svg("svg", { class: "i i-16", viewBox: "0 0 24 24", "aria-hidden": "true" });
    icon.append(svg("path", { d: path }));
    this.button.replaceChildren(icon);
    this.seek.value = share * 100;
    [...this.wave.children].forEach((r, i) => r.classList.toggle("on", share > 0 && i / bars <= share));
  }
});
