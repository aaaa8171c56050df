"use strict";
const demo = {{ settings | tojson }};
const $ = (id) => document.getElementById(id);

async function bytes(id, compressed) {
  const raw = Uint8Array.from(atob($(id).textContent), (c) => c.charCodeAt(0));
  if (!compressed) return raw;
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A file of onnxruntime-web: from this page, or from the CDN if its hash is right.
async function runtimeFile(id) {
  if (demo.embedded) return bytes(id, true);
  const { name, integrity } = demo.files[id];
  const answer = await fetch(demo.runtime + name, { integrity, mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" });
  if (!answer.ok) throw new Error(`${name}: HTTP ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

// The code and the WebAssembly are passed on from memory, so that onnxruntime-web loads no file that is not checked.
async function runtime() {
  const [code, wasm] = await Promise.all([runtimeFile("runtime-code"), runtimeFile("runtime-wasm")]);
  const ort = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  ort.env.wasm.wasmBinary = wasm.buffer;
  return ort;
}

async function start() {
  const model = await bytes("model", false);
  $("save").href = URL.createObjectURL(new Blob([model], { type: "application/octet-stream" }));
  let ort;
  try {
    ort = await runtime();
  } catch (error) {
    throw new Error(`Cannot load onnxruntime-web from ${demo.runtime}. If there is no network, create this page with --assets. (${error.message})`);
  }
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return async (values) => {
    const data = demo.images ? Uint8Array.from(values) : Float32Array.from(values);
    const tensor = new ort.Tensor(demo.images ? "uint8" : "float32", data, [1, ...demo.shape]);
    const outputs = await session.run({ [session.inputNames[0]]: tensor });
    return Array.from(outputs[session.outputNames.at(-1)].data);
  };
}

// --- the prediction

function showPrediction(values) {
  if (!demo.decides) {
    const text = (v) => v.toLocaleString("en", { maximumSignificantDigits: 5 });
    $("prediction").textContent = values.map((v, i) => `${demo.labels[i] ?? "prediction"}: ${text(v)}`).join(", ");
    return;
  }
  const label = (i) => demo.labels[i] ?? String(i);
  const order = values.map((_, i) => i);
  const ranked = [...order].sort((a, b) => values[b] - values[a]);
  const shown = values.length > 12 ? ranked.slice(0, 10) : order;
  $("prediction").textContent = `${label(ranked[0])}  ${(100 * values[ranked[0]]).toFixed(1)}%`;
  while ($("bars").children.length < shown.length) {
    const row = document.createElement("div");
    row.className = "bar";
    row.innerHTML = '<span></span><div class="track"><div class="fill"></div></div><output></output>';
    $("bars").append(row);
  }
  shown.forEach((k, place) => {
    const row = $("bars").children[place];
    row.classList.toggle("top", k === ranked[0]);
    row.children[0].textContent = label(k);
    row.querySelector(".fill").style.width = `${100 * values[k]}%`;
    row.children[2].textContent = `${(100 * values[k]).toFixed(2)}%`;
  });
}

const ready = start();
let newest = 0;
async function predict(values) {
  const number = ++newest;
  const result = await (await ready)(values);
  if (number === newest) showPrediction(result); // an older result must not overwrite a newer one
  return result;
}
const showError = (error) => { $("error").textContent = error.message; };
ready.catch(showError);

// --- images

const [channels, height, width] = demo.images ? demo.shape : [0, 0, 0];

function toGrey(rgba) {
  const grey = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < grey.length; i++) // the same formula as Pillow
    grey[i] = (rgba[4 * i] * 19595 + rgba[4 * i + 1] * 38470 + rgba[4 * i + 2] * 7471 + 0x8000) >> 16;
  return grey;
}

function planes(rgba) {
  if (channels === 1) return toGrey(rgba);
  const size = rgba.length / 4;
  return Uint8Array.from({ length: 3 * size }, (_, i) => rgba[4 * (i % size) + Math.floor(i / size)]);
}

function background(grey, w, h) {
  const border = [];
  for (let x = 0; x < w; x++) border.push(grey[x], grey[(h - 1) * w + x]);
  for (let y = 0; y < h; y++) border.push(grey[y * w], grey[y * w + w - 1]);
  border.sort((a, b) => a - b);
  return border[border.length >> 1];
}

// Each pixel of the small image is the mean of the area that it covers in the large image.
function shrink(ink, w, h, toW, toH) {
  const small = new Float64Array(toW * toH);
  for (let y = 0; y < toH; y++) for (let x = 0; x < toW; x++) {
    const x0 = (x * w) / toW, x1 = ((x + 1) * w) / toW, y0 = (y * h) / toH, y1 = ((y + 1) * h) / toH;
    let sum = 0, area = 0;
    for (let v = Math.floor(y0); v < Math.min(h, Math.ceil(y1)); v++)
      for (let u = Math.floor(x0); u < Math.min(w, Math.ceil(x1)); u++) {
        const part = (Math.min(x1, u + 1) - Math.max(x0, u)) * (Math.min(y1, v + 1) - Math.max(y0, v));
        sum += part * ink[v * w + u];
        area += part;
      }
    small[y * toW + x] = sum / area;
  }
  return small;
}

// Normalise light strokes on black: crop, scale to the box, centre by mass. Return null if nothing is drawn.
function frame(grey, w, h) {
  const dark = background(grey, w, h), top = grey.reduce((a, b) => Math.max(a, b), 0);
  if (top - dark < demo.faintest) return null;
  const ink = Float64Array.from(grey, (v) => Math.max(0, (v - dark) / (top - dark)));
  let x0 = w, x1 = 0, y0 = h, y1 = 0;
  ink.forEach((v, i) => {
    if (v <= 0.25) return;
    const x = i % w, y = Math.floor(i / w);
    x0 = Math.min(x0, x); x1 = Math.max(x1, x + 1); y0 = Math.min(y0, y); y1 = Math.max(y1, y + 1);
  });
  const cw = x1 - x0, ch = y1 - y0, cut = new Float64Array(cw * ch);
  for (let y = 0; y < ch; y++) for (let x = 0; x < cw; x++) cut[y * cw + x] = ink[(y + y0) * w + x + x0];
  const scale = Math.min((height * demo.box) / ch, (width * demo.box) / cw);
  const sw = Math.max(1, Math.round(cw * scale)), sh = Math.max(1, Math.round(ch * scale));
  const small = shrink(cut, cw, ch, sw, sh);
  let mass = 0, mx = 0, my = 0;
  small.forEach((v, i) => { mass += v; mx += v * ((i % sw) + 0.5); my += v * (Math.floor(i / sw) + 0.5); });
  const left = Math.min(Math.max(Math.round(width / 2 - mx / mass), 0), width - sw);
  const above = Math.min(Math.max(Math.round(height / 2 - my / mass), 0), height - sh);
  const pixels = new Uint8Array(width * height);
  small.forEach((v, i) => { pixels[(Math.floor(i / sw) + above) * width + (i % sw) + left] = Math.round(255 * v); });
  return pixels;
}

// Convert the image on a canvas to the input of the network; return the pixels and the steps.
function prepare(canvas) {
  const w = canvas.width, h = canvas.height, steps = [];
  let rgba = canvas.getContext("2d").getImageData(0, 0, w, h).data;
  if (channels === 1 && demo.mean !== null) {
    const bright = background(toGrey(rgba), w, h);
    if ((demo.mean < demo.darkBelow && bright > demo.lightAbove) || (demo.mean > demo.lightAbove && bright < demo.darkBelow)) {
      rgba = rgba.map((v, i) => (i % 4 === 3 ? v : 255 - v));
      steps.push("inverted");
    }
  }
  const fits = w === width && h === height;
  if (!fits && demo.strokes) {
    const framed = frame(toGrey(rgba), w, h);
    if (framed) return { pixels: framed, steps: [...steps, "framed"] };
  }
  if (fits) return { pixels: planes(rgba), steps };
  const side = Math.min(w / width, h / height), cw = side * width, ch = side * height;
  const whole = new OffscreenCanvas(w, h), small = new OffscreenCanvas(width, height);
  whole.getContext("2d").putImageData(new ImageData(rgba, w, h), 0, 0);
  const pen = small.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(whole, (w - cw) / 2, (h - ch) / 2, cw, ch, 0, 0, width, height);
  return { pixels: planes(pen.getImageData(0, 0, width, height).data), steps: [...steps, "cropped and resized"] };
}

function showInput(pixels) {
  const image = new ImageData(width, height), size = width * height;
  for (let i = 0; i < size; i++)
    for (let c = 0; c < 4; c++) image.data[4 * i + c] = c === 3 ? 255 : pixels[channels === 1 ? i : c * size + i];
  $("input").getContext("2d").putImageData(image, 0, 0);
}

let inputPixels = [];
function predictImage(canvas) {
  const { pixels, steps } = prepare(canvas);
  inputPixels = pixels;
  showInput(pixels);
  $("steps").textContent = steps.join(", ");
  return predict(pixels).catch(showError);
}

async function openImage(file) {
  $("error").textContent = "";
  let image;
  try {
    image = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    showError(new Error(`${file.name ?? "This"} is not an image that the browser can read.`));
    return;
  }
  const shrinkBy = Math.min(1, 1024 / Math.max(image.width, image.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(image.width * shrinkBy)), Math.max(1, Math.round(image.height * shrinkBy)));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // the background of transparent images
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return predictImage(canvas);
}

function startImages() {
  const canvas = $("drawing"), scale = Math.max(1, Math.round(320 / Math.max(width, height)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const light = demo.mean !== null && demo.mean >= demo.darkBelow;
  const clear = () => {
    pen.fillStyle = light ? "white" : "black";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  };
  let last = null, planned = false;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  const draw = (event) => {
    if (!last) return;
    const next = place(event);
    pen.strokeStyle = light ? "black" : "white";
    pen.lineWidth = canvas.width / 13;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...next);
    pen.stroke();
    last = next;
    if (!planned) {
      planned = true;
      requestAnimationFrame(() => { planned = false; predictImage(canvas); });
    }
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); last = place(event); draw(event); });
  canvas.addEventListener("pointermove", draw);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { last = null; });
  $("clear").addEventListener("click", () => { clear(); $("error").textContent = ""; predictImage(canvas); });
  $("file").addEventListener("change", (event) => event.target.files[0] && openImage(event.target.files[0]));
  const drop = $("drop");
  for (const name of ["dragover", "dragleave", "drop"])
    document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.toggle("over", name === "dragover"); });
  document.addEventListener("drop", (event) => event.dataTransfer.files[0] && openImage(event.dataTransfer.files[0]));
  clear();
  if (canvas.hidden) $("prediction").textContent = "Choose an image";
  else predictImage(canvas);
}

// --- tables

function values() {
  return [...$("fields").querySelectorAll("[data-column]")].map((field) => (field.value === "" ? NaN : Number(field.value)));
}

function startFields() {
  for (const column of demo.columns) {
    const row = document.createElement("div");
    row.className = "field";
    const name = document.createElement("label");
    name.textContent = column.name;
    const field = document.createElement(column.values.length ? "select" : "input");
    field.dataset.column = column.name;
    field.id = name.htmlFor = `column ${column.name}`;
    row.append(name, field);
    if (column.values.length) {
      column.values.forEach((value, i) => field.add(new Option(column.labels[i] ?? value, value)));
      field.add(new Option("(missing)", ""));
    } else {
      field.type = "number";
      field.step = "any";
      field.defaultValue = column.initial;
      if (column.low < column.high) {
        const slider = document.createElement("input");
        Object.assign(slider, { type: "range", min: column.low, max: column.high, step: (column.high - column.low) / 200, defaultValue: column.initial });
        slider.setAttribute("aria-label", column.name);
        slider.addEventListener("input", () => { field.value = Number(Number(slider.value).toPrecision(4)); });
        field.addEventListener("input", () => { slider.value = field.value; });
        row.append(slider);
      }
    }
    $("fields").append(row);
  }
  const update = () => predict(values()).catch(showError);
  $("fields").addEventListener("input", update);
  $("fields").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => { $("fields").reset(); update(); });
  update();
}

if (demo.images) startImages();
else startFields();

// for tests and for the console of the browser
window.zooDemo = { ready: ready.then(() => true), run: async (values) => (await ready)(values), predict, openImage, inputPixels: () => Array.from(inputPixels) };
