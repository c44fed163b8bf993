// <kith-composer>: Enter sends, "/" offers saved replies, files are attached,
// and the text that was sent goes away only when the server has taken it.
import { attach } from "./files.js";

customElements.define("kith-composer", class extends HTMLElement {
  connectedCallback() {
    if (this.wired) return;
    this.wired = true;
    this.form = this.querySelector("form");
    this.text = this.querySelector("textarea");
    this.slash = this.querySelector("[data-slash]");
    this.note = this.querySelector("[data-note-toggle]");
    const input = this.querySelector("input[type=file]"), list = this.querySelector("[data-files]");
    if (input && list) this.forget = attach(this.form, input, list, list.dataset.remove);
    this.note?.addEventListener("change", () => { this.noted(); this.field()?.focus(); });
    this.text.addEventListener("input", () => { this.offer(); this.grow(); });
    this.text.addEventListener("keydown", (e) => this.key(e));
    this.slash?.addEventListener("click", (e) => this.pick(e.target.closest("[role=option]")));
    this.form.addEventListener("htmx:after:request", (e) => this.sent(e));
    this.querySelector("[data-cancel-reply]")?.addEventListener("click", (e) => {
      e.preventDefault();
      e.currentTarget.closest(".cm-quote").remove();
      this.text.focus();
    });
    if (this.note?.checked) this.noted();
    this.grow();
  }

  noted() {
    const words = this.note.checked ? this.text.dataset.note : this.text.dataset.reply;
    if (words) this.text.placeholder = words;
  }

  // field is the text that is open now; the closed composer shows one only for notes.
  field() { return this.text.offsetParent ? this.text : null; }

  // grow is for browsers without field-sizing.
  grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.text.rows = Math.min(8, Math.max(1, this.text.value.split("\n").length));
  }

  options() { return this.slash ? [...this.slash.querySelectorAll("[role=option]")].filter((o) => !o.hidden) : []; }

  offer() {
    if (!this.slash) return;
    const word = this.text.value.toLowerCase();
    for (const o of this.slash.querySelectorAll("[role=option]")) o.hidden = !o.firstElementChild.textContent.toLowerCase().startsWith(word);
    this.slash.hidden = !word.startsWith("/") || /\s/.test(word) || !this.options().length;
    this.select(this.slash.hidden ? null : this.options()[0]);
  }

  select(option) {
    for (const o of this.slash.querySelectorAll("[role=option]")) o.ariaSelected = String(o === option);
    if (option) {
      this.text.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else this.text.removeAttribute("aria-activedescendant");
  }

  pick(option) {
    if (!option) return;
    this.text.value = option.dataset.text;
    this.slash.hidden = true;
    this.select(null);
    this.grow();
    this.text.focus();
  }

  key(e) {
    if (e.isComposing) return;
    if (this.slash && !this.slash.hidden) {
      const all = this.options(), at = all.findIndex((o) => o.ariaSelected === "true");
      if (e.key === "ArrowDown" || e.key === "ArrowUp") this.select(all.at((at + (e.key === "ArrowDown" ? 1 : -1)) % all.length));
      else if (e.key === "Enter" || e.key === "Tab") this.pick(all[at]);
      else if (e.key === "Escape") this.slash.hidden = true;
      else return;
      e.preventDefault();
      e.stopPropagation();
      return;
    }
    const send = e.key === "Enter" && !e.shiftKey && (e.ctrlKey || e.metaKey || !matchMedia("(pointer: coarse)").matches);
    if (!send) return;
    e.preventDefault();
    const files = this.querySelector("input[type=file]")?.files.length;
    if (this.text.value.trim() || files || this.querySelector("[name=template]:checked")) this.form.requestSubmit();
  }

  sent(e) {
    const status = e.detail?.ctx?.response?.status ?? 0;
    if (status < 200 || status >= 300 || !this.isConnected) return;
    this.text.value = "";
    this.forget?.();
    this.querySelector(".cm-quote")?.remove();
    this.grow();
    this.text.focus();
  }
});
