// Files: what was chosen, dropped or pasted is listed with a picture, and can
// be taken back. The native input stays the one place that holds them.
export function size(n) {
  const unit = ["B", "kB", "MB", "GB"];
  let i = 0;
  while (n >= 1000 && i < 3) { n /= 1000; i++; }
  return `${new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: n < 10 && i ? 1 : 0 }).format(n)} ${unit[i]}`;
}

function span(cls, text) {
  const s = document.createElement("span");
  s.className = cls;
  s.textContent = text;
  return s;
}

function entry(file, remove, words) {
  const li = document.createElement("li");
  if (file.type.startsWith("image/")) {
    const img = new Image();
    img.alt = "";
    img.src = URL.createObjectURL(file);
    img.onload = () => URL.revokeObjectURL(img.src);
    li.append(img);
  }
  const name = span("file-t trunc", file.name);
  name.dir = "auto";
  const cross = document.createElement("button");
  cross.type = "button";
  cross.textContent = "×";
  cross.ariaLabel = words.replace("{name}", file.name);
  cross.addEventListener("click", remove);
  li.append(name, span("file-sz", size(file.size)), cross);
  return li;
}

// attach wires an input, a list and the area around them; it returns a
// function that forgets all files.
export function attach(area, input, list, words) {
  const draw = () => list.replaceChildren(...[...input.files].map((f, i) => entry(f, () => set([...input.files].filter((_, at) => at !== i)), words)));
  const set = (files) => {
    const data = new DataTransfer();
    for (const f of input.multiple ? files : files.slice(-1)) data.items.add(f);
    input.files = data.files;
    draw();
    input.dispatchEvent(new Event("files", { bubbles: true }));
  };
  const add = (files) => { if (files.length) set([...input.files, ...files]); };
  let held = [];
  input.addEventListener("click", () => { held = [...input.files]; });
  input.addEventListener("change", () => { input.multiple ? set([...held, ...input.files]) : draw(); held = []; });
  area.addEventListener("dragover", (e) => {
    if (!e.dataTransfer.types.includes("Files")) return;
    e.preventDefault();
    area.toggleAttribute("data-over", true);
  });
  area.addEventListener("dragleave", (e) => { if (!area.contains(e.relatedTarget)) area.removeAttribute("data-over"); });
  area.addEventListener("drop", (e) => {
    area.removeAttribute("data-over");
    if (!e.dataTransfer.files.length) return;
    e.preventDefault();
    add([...e.dataTransfer.files]);
  });
  area.addEventListener("paste", (e) => {
    if (!e.clipboardData?.files.length) return;
    e.preventDefault();
    add([...e.clipboardData.files]);
  });
  return () => set([]);
}

customElements.define("kith-files", class extends HTMLElement {
  connectedCallback() {
    if (this.wired) return;
    this.wired = true;
    attach(this, this.querySelector("input[type=file]"), this.querySelector("[data-files]"), this.dataset.remove);
  }
});
