// <kith-recorder>: a voice message from the microphone. It puts the recording
// into the file input of its form and sends the form. Where the browser cannot
// record, the button stays away; choosing a file always works.
const kinds = [["audio/ogg;codecs=opus", "ogg"], ["audio/mp4", "m4a"], ["audio/webm;codecs=opus", "webm"]];

customElements.define("kith-recorder", class extends HTMLElement {
  connectedCallback() {
    this.kind = globalThis.MediaRecorder && navigator.mediaDevices && kinds.find(([type]) => MediaRecorder.isTypeSupported(type));
    if (!this.kind || this.wired) return;
    this.wired = true;
    this.hidden = false;
    this.button = this.querySelector("button");
    this.words = this.button.ariaLabel;
    this.button.addEventListener("click", () => (this.recorder ? this.recorder.stop() : this.start()));
  }

  disconnectedCallback() { this.release(); }

  async start() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } catch {
      this.say(this.dataset.refused);
      return;
    }
    const parts = [];
    this.recorder = new MediaRecorder(this.stream, { mimeType: this.kind[0] });
    this.recorder.addEventListener("dataavailable", (e) => parts.push(e.data));
    this.recorder.addEventListener("stop", () => { this.release(); this.send(parts); });
    this.recorder.start();
    this.classList.add("recording");
    this.button.ariaLabel = this.button.title = this.dataset.stop;
    this.say(this.dataset.stop);
  }

  say(text) { this.querySelector("[role=status]").textContent = text; }

  release() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.recorder = this.stream = null;
    if (!this.button) return;
    this.classList.remove("recording");
    this.button.ariaLabel = this.button.title = this.words;
    this.say("");
  }

  send(parts) {
    if (!this.isConnected) return;
    const form = this.closest("form"), input = form.querySelector("input[type=file]"), data = new DataTransfer();
    const [type, ending] = this.kind;
    for (const f of input.files) data.items.add(f);
    data.items.add(new File(parts, `voice-note.${ending}`, { type: type.split(";")[0] }));
    input.files = data.files;
    form.requestSubmit();
  }
});
