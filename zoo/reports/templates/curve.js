// --- curves

// A signal [C, T], drawn with the mouse, a finger or the keys: one channel at a time.
function startCurve() {
  const [channels, length] = demo.shape, { values, low, high } = demo.start, canvas = $("curve");
  const current = Float64Array.from(values), pen = canvas.getContext("2d");
  let last = null, cursor = 0, planned = 0;
  const channel = () => Number($("channel").value), clamp = (value, top) => Math.min(Math.max(value, 0), top);
  const height = (value) => canvas.height * (1 - (value - low) / (high - low));
  const show = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.lineWidth = 2;
    for (let c = 0; c < channels; c++) {
      pen.strokeStyle = getComputedStyle(document.body).getPropertyValue(c === channel() ? "--blue" : "--line");
      pen.beginPath();
      for (let t = 0; t < length; t++) pen.lineTo(((t + 0.5) * canvas.width) / length, height(current[c * length + t]));
      pen.stroke();
    }
    clearTimeout(planned);
    planned = setTimeout(() => predict(Array.from(current)).catch(showError), 60);
  };
  const set = (t, value) => { current[channel() * length + t] = value; };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const t = clamp(Math.floor(((event.clientX - box.left) / box.width) * length), length - 1);
    return [t, low + (high - low) * (1 - clamp((event.clientY - box.top) / box.height, 1))];
  };
  const extend = ([t, value]) => {
    const [from, before] = last, steps = Math.max(1, Math.abs(t - from));
    for (let k = 0; k <= steps; k++) set(Math.round(from + ((t - from) * k) / steps), before + ((value - before) * k) / steps);
    last = [t, value];
    show();
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); last = place(event); extend(last); });
  canvas.addEventListener("pointermove", (event) => { if (last) extend(place(event)); });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { last = null; });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    cursor = clamp(cursor + step[0], length - 1);
    const value = current[channel() * length + cursor];
    set(cursor, Math.min(Math.max(value + (step[1] * (high - low)) / 20, low), high));
    $("hint").textContent = `value ${cursor + 1} of ${length}: ${current[channel() * length + cursor].toPrecision(3)}`;
    show();
  });
  for (let c = 0; c < channels; c++) $("channel").add(new Option(`channel ${c + 1}`, c));
  $("channel").hidden = channels === 1;
  $("channel").addEventListener("change", show);
  $("clear").addEventListener("click", () => { current.set(values); show(); });
  show();
}
