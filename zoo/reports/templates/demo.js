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
    const arrays = { uint8: Uint8Array, float32: Float32Array, int64: BigInt64Array };
    const data = arrays[demo.type].from(demo.type === "int64" ? values.map(BigInt) : values);
    const tensor = new ort.Tensor(demo.type, data, [1, ...demo.shape]);
    const outputs = await session.run({ [session.inputNames[0]]: tensor });
    const last = outputs[session.outputNames.at(-1)];
    return Object.assign(Array.from(last.data), { dims: last.dims });
  };
}

// --- the prediction

function showPrediction(values) {
  if (values.dims?.length === 4) {
    showMask(values);
    return;
  }
  if (demo.predicts !== "class") {
    const text = (v) => v.toLocaleString("en", { maximumSignificantDigits: 5 });
    $("prediction").textContent = values.map((v, i) => `${demo.labels[i] ?? "prediction"}: ${text(v)}`).join(", ");
    return;
  }
  const label = (i) => demo.labels[i] ?? String(i);
  const order = values.map((_, i) => i);
  const ranked = [...order].sort((a, b) => values[b] - values[a]);
  const shown = values.length > 12 ? ranked.slice(0, 10) : order;
  const unsure = isUnsure(values);
  $("prediction").textContent = `${label(ranked[0])}  ${(100 * values[ranked[0]]).toFixed(1)}%${unsure ? "  unsure" : ""}`;
  $("prediction").classList.toggle("unsure", unsure);
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

// For each pixel the channel with the largest value, [1, K, H, W], in a colour; with one channel, where it is positive.
function showMask(values) {
  const [, channels, height, width] = values.dims, size = height * width;
  const canvas = $("mask"), counts = new Array(Math.max(channels, 2)).fill(0);
  Object.assign(canvas, { width, height, hidden: false });
  const context = canvas.getContext("2d"), picture = context.createImageData(width, height);
  for (let pixel = 0; pixel < size; pixel++) {
    let best = channels === 1 ? Number(values[pixel] > 0) : 0;
    for (let k = 1; k < channels; k++) if (values[k * size + pixel] > values[best * size + pixel]) best = k;
    counts[best] += 1;
    picture.data.set([...maskColour(best), 255], 4 * pixel);
  }
  context.putImageData(picture, 0, 0);
  const share = (k) => `${demo.labels[k] ?? k}: ${((100 * counts[k]) / size).toFixed(1)}%`;
  $("prediction").textContent = [...counts.keys()].filter((k) => counts[k]).map(share).join(", ");
}

// The colours of Okabe and Ito, which differ for all kinds of colour vision; the first channel is mostly background.
function maskColour(k) {
  const colours = [[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];
  return colours[k % colours.length];
}

// Whether the confidence is below the limit of the validation split. Dividing the logits by the temperature is the same
// as this power of the probabilities.
function isUnsure(values) {
  if (!demo.calibration) return false;
  const [temperature, limit] = demo.calibration, powers = values.map((v) => v ** (1 / temperature));
  return !(Math.max(...powers) / powers.reduce((a, b) => a + b, 0) >= limit);
}

// Show that there is no prediction; one that is still being computed is not shown.
function showNothing(text) {
  newest++;
  $("prediction").textContent = text;
  $("prediction").classList.remove("unsure");
  $("bars").replaceChildren();
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
const showFailure = (error) => { showNothing("No prediction"); showError(error); };
ready.catch(showFailure);

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

{% if settings.strokes %}{% include "strokes.js" %}
{% endif %}// Convert the image on a canvas to the input of the network; return the pixels and the steps, or null without strokes.
// `drawn`: it was drawn on this page.
function prepare(canvas, drawn) {
  const w = canvas.width, h = canvas.height, steps = [];
  let rgba = canvas.getContext("2d").getImageData(0, 0, w, h).data;
  const fits = w === width && h === height;
  if (demo.strokes) {
    const grey = toGrey(rgba), dark = !fits && hasDarkStrokes(grey, w, h, demo.strokes);
    const found = fits ? null : findDigit(grey, w, h, width, height, dark, demo.strokes, drawn);
    if (!fits) return found && { pixels: found, steps: dark ? ["inverted", "framed"] : ["framed"] };
    if (Math.max(...grey) - Math.min(...grey) < demo.faintest) return null;
  }
  if (channels === 1 && demo.mean !== null) {
    const bright = background(toGrey(rgba), w, h);
    if ((demo.mean < demo.darkBelow && bright > demo.lightAbove) || (demo.mean > demo.lightAbove && bright < demo.darkBelow)) {
      rgba = rgba.map((v, i) => (i % 4 === 3 ? v : 255 - v));
      steps.push("inverted");
    }
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

let inputPixels = [], fileShown = false;
function clearInput() {
  inputPixels = [];
  $("input").getContext("2d").clearRect(0, 0, width, height);
  $("steps").textContent = "";
}

function predictImage(canvas) {
  const drawn = canvas === $("drawing") && !fileShown, prepared = drawn && drawing.isEmpty() ? null : prepare(canvas, drawn);
  if (!prepared) {
    clearInput();
    showNothing(drawn ? `Draw ${demo.strokes ? "a digit" : "something"}` : "No digit found");
    return Promise.resolve(null);
  }
  const { pixels, steps } = prepared;
  inputPixels = pixels;
  showInput(pixels);
  $("steps").textContent = steps.join(", ");
  return predict(pixels).catch(showFailure);
}

async function openImage(file) {
  $("error").textContent = "";
  let image;
  try {
    image = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    showError(new Error(`${file.name ?? "This"} is not an image that the browser can read.`));
    clearInput();
    drawing.clear();
    showNothing("No image");
    return;
  }
  // whole photos of phones, as in Python; the browser only shrinks what is larger
  const shrinkBy = Math.min(1, 8192 / Math.max(image.width, image.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(image.width * shrinkBy)), Math.max(1, Math.round(image.height * shrinkBy)));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // the background of transparent images
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  drawing.show(canvas);
  return predictImage(canvas);
}

// The camera, where the browser allows it: pages from this machine (zoo demo --serve) or with https.
async function startCamera() {
  const video = $("video");
  if (video.srcObject) {
    if (!video.videoWidth) return null; // its first image has not come yet
    const photo = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    photo.getContext("2d").drawImage(video, 0, 0);
    stopCamera();
    drawing.show(photo);
    $("error").textContent = "";
    return predictImage(photo);
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.hidden = false;
    await video.play();
    $("camera").textContent = "Take the photo";
  } catch (error) {
    stopCamera();
    showError(new Error(`The browser does not give access to a camera: ${error.message}`));
  }
}

function stopCamera() {
  const video = $("video");
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.hidden = true;
  $("camera").textContent = "Use the camera";
}

let drawing = { clear() {}, show() {}, isEmpty: () => false };
const clampTo = (value, top) => Math.min(Math.max(value, 0), top);
function startImages() {
  const canvas = $("drawing"), scale = Math.max(1, Math.round(320 / Math.max(width, height)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const light = demo.mean !== null && demo.mean >= demo.darkBelow;
  const strokes = []; // each a list of points and the width of the pen
  let last = null, planned = 0, cursor = [canvas.width / 2, canvas.height / 2], penDown = false;
  const blank = () => {
    pen.fillStyle = light ? "white" : "black";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  };
  const clear = () => {
    clearTimeout(planned); // it would predict what replaces the drawing: a file, in the size of the canvas
    strokes.length = 0;
    last = null;
    penDown = fileShown = false;
    blank();
  };
  const line = ({ points, size }, from) => {
    pen.strokeStyle = light ? "black" : "white";
    pen.lineWidth = size;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...points[Math.max(from - 1, 0)]);
    points.slice(from).forEach((point) => pen.lineTo(...point));
    pen.stroke();
  };
  const show = (image) => { // a file or a photo, whole
    clear();
    fileShown = true;
    canvas.hidden = false;
    const part = Math.min(canvas.width / image.width, canvas.height / image.height), w = image.width * part, h = image.height * part;
    pen.drawImage(image, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
  };
  drawing = { clear, show, isEmpty: () => !strokes.length };
  const plan = () => { // a digit is found in some tens of milliseconds: not for each point
    clearTimeout(planned);
    planned = setTimeout(() => predictImage(canvas), 80);
  };
  const begin = (point) => {
    if (fileShown) clear();
    strokes.push({ points: [point, point], size: canvas.width * Number($("pen").value) / 28 });
    line(strokes.at(-1), 0);
    plan();
  };
  const extend = (point) => {
    const stroke = strokes.at(-1);
    stroke.points.push(point);
    line(stroke, stroke.points.length - 1);
    plan();
  };
  const undo = () => {
    if (fileShown) clear();
    strokes.pop();
    last = null; // the stroke that is gone cannot be continued
    penDown = false;
    blank();
    strokes.forEach((stroke) => line(stroke, 0));
    $("error").textContent = "";
    predictImage(canvas);
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  const drawable = channels === 1;
  canvas.addEventListener("pointerdown", (event) => {
    if (!drawable) return;
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    begin(last);
  });
  canvas.addEventListener("pointermove", (event) => { if (last) extend(place(event)); });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }, step = steps[event.key];
    const known = step || [" ", "Escape", "Backspace"].includes(event.key) || (event.key === "z" && (event.ctrlKey || event.metaKey));
    if (!drawable || !known) return;
    event.preventDefault();
    if (step) {
      const far = canvas.width / 28;
      cursor = cursor.map((at, axis) => clampTo(at + far * step[axis], [canvas.width, canvas.height][axis]));
      if (penDown) extend(cursor);
    } else if (event.key === " ") {
      penDown = !penDown;
      if (penDown) begin(cursor);
    } else if (event.key === "Escape") $("clear").click();
    else undo();
    $("hint").textContent = `Pen ${penDown ? "down" : "up"} at column ${Math.round(cursor[0] * 28 / canvas.width)}, row ${Math.round(cursor[1] * 28 / canvas.height)} of 28.`;
  });
  $("undo").addEventListener("click", undo);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { last = null; });
  $("clear").addEventListener("click", () => { clear(); $("error").textContent = ""; predictImage(canvas); });
  $("file").addEventListener("change", (event) => {
    if (event.target.files[0]) openImage(event.target.files[0]);
    event.target.value = ""; // the same file can be chosen again
  });
  if (window.isSecureContext && navigator.mediaDevices?.getUserMedia) {
    $("camera").hidden = false;
    $("camera").addEventListener("click", startCamera);
  }
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
    name.textContent = column.title;
    const field = document.createElement(column.values.length ? "select" : "input");
    field.dataset.column = column.name;
    field.id = name.htmlFor = `column ${column.name}`;
    row.append(name, field);
    if (column.values.length) {
      column.values.forEach((value, i) => field.add(new Option(column.labels[i] ?? value, value)));
      field.add(new Option("(missing)", ""));
      for (const option of field.options)
        option.defaultSelected = option.selected = column.initial !== null && option.value !== "" && Number(option.value) === column.initial;
    } else {
      field.type = "number";
      field.step = "any";
      field.defaultValue = column.initial;
      if (column.low < column.high) {
        const slider = document.createElement("input");
        Object.assign(slider, { type: "range", min: column.low, max: column.high, step: (column.high - column.low) / 200, defaultValue: column.initial });
        slider.setAttribute("aria-label", column.title);
        slider.addEventListener("input", () => { field.value = Number(Number(slider.value).toPrecision(4)); });
        field.addEventListener("input", () => { slider.value = field.value; });
        row.append(slider);
      }
    }
    $("fields").append(row);
  }
  const update = () => predict(values()).catch(showFailure);
  $("fields").addEventListener("input", update);
  $("fields").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => { $("fields").reset(); update(); });
  update();
}

{% if settings.kind in ("text", "curve") %}{% include settings.kind ~ ".js" %}

{{ "startText" if settings.kind == "text" else "startCurve" }}();
{% else %}if (demo.images) startImages();
else startFields();
{% endif %}
// for tests and for the console of the browser
window.zooDemo = { ready: ready.then(() => true), run: async (values) => (await ready)(values), predict, openImage, inputPixels: () => Array.from(inputPixels) };
