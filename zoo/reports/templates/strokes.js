// Find the strokes of a digit in an image and redraw them like a digit of MNIST: the same as zoo/evaluation/strokes.py,
// to a pixel. Images are arrays of whole numbers; `K` are the settings of that module.
const divide = (a, b) => Math.floor(a / b);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function workingSize(pixels, w, h, K) {
  const long = Math.max(w, h);
  if (long > K.long) {
    const part = Math.ceil(long / K.long), cw = Math.ceil(w / part), ch = Math.ceil(h / part), area = part * part;
    const data = new Float64Array(cw * ch);
    for (let y = 0; y < ch * part; y++) for (let x = 0; x < cw * part; x++)
      data[divide(y, part) * cw + divide(x, part)] += pixels[Math.min(y, h - 1) * w + Math.min(x, w - 1)];
    return { w: cw, h: ch, data: data.map((v) => divide(v * K.unit + divide(area, 2), area)) };
  }
  if (long >= K.short) return { w, h, data: Float64Array.from(pixels, (v) => v * K.unit) };
  const times = divide(K.long, long), whole = 4 * times * times;
  const point = (n, side) => {
    const place = 2 * n + 1 - times, first = divide(place, 2 * times);
    return [clamp(first, 0, side - 1), clamp(first + 1, 0, side - 1), place - 2 * times * first];
  };
  const data = new Float64Array(w * h * times * times);
  for (let y = 0; y < h * times; y++) for (let x = 0; x < w * times; x++) {
    const [y0, y1, v] = point(y, h), [x0, x1, u] = point(x, w);
    const row = (at) => pixels[at * w + x0] * (2 * times - u) + pixels[at * w + x1] * u;
    data[y * w * times + x] = divide((row(y0) * (2 * times - v) + row(y1) * v) * K.unit + divide(whole, 2), whole);
  }
  return { w: w * times, h: h * times, data };
}

function smooth({ w, h, data }) {
  const across = new Float64Array(w * h), result = new Float64Array(w * h);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    const row = y * w;
    across[row + x] = data[row + Math.max(x - 1, 0)] + 2 * data[row + x] + data[row + Math.min(x + 1, w - 1)];
  }
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++)
    result[y * w + x] = (across[Math.max(y - 1, 0) * w + x] + 2 * across[y * w + x] + across[Math.min(y + 1, h - 1) * w + x] + 8) >> 4;
  return { w, h, data: result };
}

// The largest value (sign 1) or the smallest (sign -1) around each of `count` values, `size` (odd) values wide.
function extreme(data, start, step, count, size, sign, result) {
  const half = size >> 1, queue = new Int32Array(count);
  const value = (i) => sign * data[start + i * step];
  let head = 0, tail = 0, next = 0;
  for (let i = 0; i < count; i++) {
    for (; next < Math.min(i + half + 1, count); next++) {
      while (tail > head && value(queue[tail - 1]) <= value(next)) tail--;
      queue[tail++] = next;
    }
    while (queue[head] < i - half) head++;
    result[start + i * step] = data[start + queue[head] * step];
  }
}

function filterRows({ w, h, data }, size, sign) {
  const result = new Float64Array(data.length);
  for (let y = 0; y < h; y++) extreme(data, y * w, 1, w, size, sign, result);
  return { w, h, data: result };
}

function filterColumns({ w, h, data }, size, sign) {
  const result = new Float64Array(data.length);
  for (let x = 0; x < w; x++) extreme(data, x, w, h, size, sign, result);
  return { w, h, data: result };
}

function hasDarkStrokes(pixels, w0, h0, K) {
  const { w, h, data } = smooth(workingSize(pixels, w0, h0, K));
  const size = divide(Math.min(w, h), 4) | 1, half = size >> 1, wide = w + size, sums = new Float64Array(wide * (h + size));
  for (let y = 1; y < h + size; y++) for (let x = 1; x < wide; x++)
    sums[y * wide + x] = data[clamp(y - 1 - half, 0, h - 1) * w + clamp(x - 1 - half, 0, w - 1)]
      + sums[(y - 1) * wide + x] + sums[y * wide + x - 1] - sums[(y - 1) * wide + x - 1];
  let total = 0;
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    const sum = sums[(y + size) * wide + x + size] - sums[y * wide + x + size] - sums[(y + size) * wide + x] + sums[y * wide + x];
    const d = divide(data[y * w + x] - divide(sum, size * size), K.unit);
    total += d * d * d;
  }
  return total < 0;
}

function reflectance(image, K) {
  const { w, h, data } = image, size = divide(Math.min(w, h), K.paper) | 1;
  let paper = filterRows(filterColumns(image, size, 1), size, 1);
  paper = filterRows(filterColumns(paper, size, -1), size, -1).data;
  return { w, h, data: data.map((v, i) => Math.min(divide(v * K.full, Math.max(paper[i], 16 * K.unit)), K.full)) };
}

function darkestLine(image, slopes, percent, K) {
  const { w, h } = image, length = divide(Math.max(w, h) * percent, 100) | 1;
  const thick = filterColumns(image, 3, -1).data, best = new Float64Array(w * h).fill(K.full);
  const one = new Float64Array(w), two = new Float64Array(w), three = new Float64Array(w);
  for (const slope of slopes) {
    const move = Array.from({ length: w }, (_, x) => divide(2 * slope * (x - (w >> 1)) + 40, 80));
    const reach = Math.max(...move.map(Math.abs));
    for (let line = -reach; line < h + reach; line++) {
      for (let x = 0; x < w; x++) one[x] = thick[clamp(line + move[x], 0, h - 1) * w + x];
      extreme(one, 0, 1, w, length, 1, two);
      extreme(two, 0, 1, w, length, -1, three);
      for (let x = 0; x < w; x++) {
        const y = line + move[x];
        if (y >= 0 && y < h) best[y * w + x] = Math.min(best[y * w + x], three[x]);
      }
    }
  }
  return { w, h, data: best };
}

function turned({ w, h, data }) {
  return { w: h, h: w, data: Float64Array.from(data, (_, i) => data[(i % h) * w + divide(i, h)]) };
}

function contrast({ w, h, data }, K) {
  const lw = (w + 1) >> 1, lh = (h + 1) >> 1, at = (y, x) => data[Math.min(y, h - 1) * w + Math.min(x, w - 1)];
  const low = { w: lw, h: lh, data: Float64Array.from({ length: lw * lh }, (_, i) => {
    const y = 2 * divide(i, lw), x = 2 * (i % lw);
    return Math.min(at(y, x), at(y, x + 1), at(y + 1, x), at(y + 1, x + 1));
  }) };
  const flat = [], all = [];
  for (let s = -K.flat; s <= K.flat; s++) flat.push(s);
  for (let s = -40; s <= 40; s += K.step) all.push(s);
  const lines = [
    darkestLine(low, flat, K.ruled, K).data,
    darkestLine(low, all.filter((s) => Math.abs(s) > K.flat), K.edge, K).data,
    turned(darkestLine(turned(low), all, K.edge, K)).data,
  ];
  return { w, h, data: data.map((v, i) => {
    const place = (divide(i, w) >> 1) * lw + ((i % w) >> 1);
    return Math.max(Math.min(lines[0][place], lines[1][place], lines[2][place]) - v, 0);
  }) };
}

// The value at a place of the sorted values, which are whole numbers from 0 to `full`.
function ranked(values, place, full) {
  const counts = new Int32Array(full + 1);
  for (const v of values) counts[v]++;
  let value = 0, below = counts[0];
  while (below <= place) below += counts[++value];
  return value;
}

function noiseOf({ w, h, data }, K) {
  if (w < 2) return 0;
  const steps = new Float64Array((w - 1) * h);
  for (let i = 0; i < steps.length; i++) {
    const place = divide(i, w - 1) * w + (i % (w - 1));
    steps[i] = Math.abs(data[place + 1] - data[place]);
  }
  return ranked(steps, divide(steps.length, 2), K.full);
}

// The connected parts of a mask, in the order of their first pixels.
function partsOf(mask, { w, h, data }) {
  const labels = new Int32Array(w * h), parts = [];
  for (let start = 0; start < w * h; start++) {
    if (!mask[start] || labels[start]) continue;
    const part = { label: parts.length + 1, area: 0, mass: 0, peak: 0, top: h, bottom: 0, left: w, right: 0 };
    const open = [start];
    labels[start] = part.label;
    while (open.length) {
      const place = open.pop(), y = divide(place, w), x = place % w;
      part.area++;
      part.mass += data[place];
      part.peak = Math.max(part.peak, data[place]);
      part.top = Math.min(part.top, y); part.bottom = Math.max(part.bottom, y + 1);
      part.left = Math.min(part.left, x); part.right = Math.max(part.right, x + 1);
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, h - 1); v++)
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, w - 1); u++)
          if (mask[v * w + u] && !labels[v * w + u]) { labels[v * w + u] = part.label; open.push(v * w + u); }
    }
    const tall = part.bottom - part.top, wide = part.right - part.left;
    part.size = Math.max(tall, wide);
    part.flat = wide > 3 * tall;
    part.inside = part.top > 0 && part.left > 0 && part.bottom < h && part.right < w;
    parts.push(part);
  }
  return { labels, parts };
}

function belongs(part, main) {
  const down = Math.max(part.top - main.bottom, main.top - part.bottom);
  const across = Math.max(part.left - main.right, main.left - part.right);
  const shared = Math.min(part.right, main.right) - Math.max(part.left, main.left);
  if (part.flat && 2 * shared < part.right - part.left) return false;
  return part.area * 25 >= main.area && Math.max(down, across) * 3 <= main.size;
}

function findStrokes(depth, noise, K) {
  const { w, h, data } = depth, rank = Math.max(12, divide(data.length, 1500));
  const top = data.length >= rank ? ranked(data, data.length - rank, K.full) : 0;
  if (top < Math.max(K.faintest, K.noise * noise)) return null;
  const { labels, parts } = partsOf(data.map((v) => (v * 100 >= K.low * top ? 1 : 0)), depth);
  const strong = parts.filter((part) => part.peak * 100 >= K.high * top);
  let main = null;
  for (const part of strong)
    if (!part.flat && (part.inside || part.peak >= K.strong) && (!main || part.mass > main.mass)) main = part;
  if (!main || main.size * 20 < Math.min(w, h)) return null;
  const kept = new Set(strong.filter((part) => part === main || belongs(part, main)).map((part) => part.label));
  return { w, h, data: Uint8Array.from(labels, (label) => (kept.has(label) ? 1 : 0)) };
}

function cut({ w, h, data }, margin) {
  let top = h, bottom = 0, left = w, right = 0;
  data.forEach((v, i) => {
    if (!v) return;
    const y = divide(i, w), x = i % w;
    top = Math.min(top, y); bottom = Math.max(bottom, y + 1); left = Math.min(left, x); right = Math.max(right, x + 1);
  });
  const cw = right - left + 2 * margin, ch = bottom - top + 2 * margin, result = new Uint8Array(cw * ch);
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++)
    result[(y - top + margin) * cw + x - left + margin] = data[y * w + x];
  return { w: cw, h: ch, data: result };
}

// Where a pixel of `value` is not further away than `reach`.
function near({ w, h, data }, value, reach) {
  const result = new Uint8Array(w * h), most = Math.floor(reach), discs = [];
  for (let v = -most; v <= most; v++) for (let u = -most; u <= most; u++) if (v * v + u * u <= reach * reach) discs.push([v, u]);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    if (data[y * w + x] !== value) continue;
    for (const [v, u] of discs)
      if (y + v >= 0 && y + v < h && x + u >= 0 && x + u < w) result[(y + v) * w + x + u] = 1;
  }
  return result;
}

function withPen(mask, box, unit, K) {
  const { w, h, data } = mask, long = Math.max(w, h), at = (y, x) => (y >= 0 && y < h && x >= 0 && x < w ? data[y * w + x] : 0);
  let area = 0, outline = 0;
  for (let y = 0; y <= h; y++) for (let x = 0; x <= w; x++) {
    area += at(y, x);
    outline += (at(y, x) !== at(y - 1, x) ? 1 : 0) + (at(y, x) !== at(y, x - 1) ? 1 : 0);
  }
  const pen = (2.546 * area) / outline;
  const wanted = Math.min(Math.max((pen * box) / long, K.thinnest * unit), K.widest * unit);
  const reach = ((wanted * long) / box - pen) / (2 * (1 - wanted / box));
  const margin = Math.ceil(Math.max(reach, 0)) + 1;
  const wide = cut(mask, margin);
  if (reach > 0) return cut({ ...wide, data: near(wide, 1, reach) }, 0);
  const thin = near(wide, 0, -reach).map((v) => 1 - v);
  return thin.reduce((a, b) => a + b, 0) * 8 > area ? cut({ ...wide, data: thin }, 0) : mask;
}

function redraw(found, width, height, K) {
  const box = K.box * Math.min(height, width);
  const { w, h, data } = withPen(cut(found, 0), box, Math.min(height, width) / 28, K);
  let count = 0, sy = 0, sx = 0, syy = 0, sxy = 0, top = h, bottom = 0;
  data.forEach((v, i) => {
    if (!v) return;
    const y = divide(i, w), x = i % w;
    count++; sy += y; sx += x; syy += y * y; sxy += y * x;
    top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
  });
  const my = sy / count, mx = sx / count, tall = syy / count - my * my;
  const slant = clamp(tall > 0 ? (sxy / count - my * mx) / tall : 0, -K.slant, K.slant);
  let left = Infinity, right = -Infinity;
  data.forEach((v, i) => {
    if (!v) return;
    const upright = (i % w) - slant * (divide(i, w) - my);
    left = Math.min(left, upright); right = Math.max(right, upright);
  });
  right += 1;
  const scale = box / Math.max(right - left, bottom - top), fine = K.fine;
  const cx = Math.min(Math.max(width / 2, (mx + 0.5 - left) * scale), width - (right - mx - 0.5) * scale);
  const cy = Math.min(Math.max(height / 2, (my + 0.5 - top) * scale), height - (bottom - my - 0.5) * scale);
  const hits = new Float64Array(width * height);
  for (let j = 0; j < height * fine; j++) {
    const v = ((j + 0.5) / fine - cy) / scale, y = Math.floor(v + (my + 0.5));
    if (y < 0 || y >= h) continue;
    for (let i = 0; i < width * fine; i++) {
      const u = ((i + 0.5) / fine - cx) / scale, x = Math.floor(u + slant * v + (mx + 0.5));
      if (x >= 0 && x < w && data[y * w + x]) hits[divide(j, fine) * width + divide(i, fine)]++;
    }
  }
  return Uint8Array.from(hits, (n) => divide(n * 510 + fine * fine, 2 * fine * fine));
}

// The digit in a grey image as light strokes on black; null if there are no strokes. A drawing of this page has no ruled
// lines and no shadows: its straight strokes, such as the top of a 7, may be as long as they like.
function findDigit(pixels, w, h, width, height, dark, K, drawn = false) {
  let image = smooth(workingSize(pixels, w, h, K));
  if (!dark) image = { ...image, data: image.data.map((v) => 255 * K.unit - v) };
  const flat = reflectance(image, K), noise = noiseOf(flat, K);
  let mask = drawn ? null : findStrokes(contrast(flat, K), noise, K);
  if (!mask && noise === 0) mask = findStrokes({ ...flat, data: flat.data.map((v) => K.full - v) }, noise, K);
  return mask && redraw(mask, width, height, K);
}
