// The two resizes of docs/resize.md, to the bit: numbers in JavaScript are float64, and nothing fuses a multiply and an add.

/** One pass from `inputs` samples to `outputs`: sample i is the sum of values[start[i] + j] times input first[i] + j. */
function weightsOf(inputs, outputs) {
  const scale = inputs / outputs, support = Math.max(scale, 1), sharp = 1 / support;
  const first = new Int32Array(outputs), start = new Int32Array(outputs + 1), values = [];
  for (let i = 0; i < outputs; i++) {
    const centre = (i + 0.5) * scale;
    const end = Math.min(Math.floor(centre + support + 0.5), inputs);
    first[i] = Math.max(Math.floor(centre - support + 0.5), 0);
    let total = 0;
    for (let j = first[i]; j < end; j++) {
      const weight = Math.max(0, 1 - Math.abs((j - centre + 0.5) * sharp));
      values.push(weight);
      total += weight;
    }
    for (let k = start[i]; k < values.length; k++) values[k] /= total;
    start[i + 1] = values.length;
  }
  return {first, start, values: Float64Array.from(values)};
}

const FRACTION = 2 ** 22, HALF = 2 ** 21;
const fixed = (values) => Int32Array.from(values, (value) => Math.floor(value * FRACTION + 0.5));
const byteOf = (total) => Math.min(total >> 22, 255); // no weight is negative

export const BAND = 64; // rows

/**
 * Stretches a picture to RGB bytes [toHeight][toWidth][3]. `rowsOf(y, count)` gives RGBA bytes of at most BAND rows: a
 * picture of 50 megapixels is never whole in memory.
 */
export function toNetwork({width, height, rowsOf}, toWidth, toHeight) {
  const weights = weightsOf(width, toWidth), factors = fixed(weights.values);
  const narrow = new Uint8Array(height * toWidth * 3);
  for (let y = 0; y < height; y += BAND) {
    const count = Math.min(BAND, height - y), rgba = rowsOf(y, count);
    for (let row = 0; row < count; row++)
      narrowRow(rgba, 4 * row * width, narrow, (y + row) * toWidth * 3, weights, factors, width === toWidth);
  }
  return height === toHeight ? narrow : shorten(narrow, height, toWidth, toHeight);
}

function narrowRow(rgba, from, out, to, {first, start}, factors, same) {
  for (let i = 0; i < first.length; i++, to += 3) {
    if (same) {
      for (let c = 0; c < 3; c++) out[to + c] = rgba[from + 4 * i + c];
      continue;
    }
    let red = HALF, green = HALF, blue = HALF, at = from + 4 * first[i];
    for (let k = start[i]; k < start[i + 1]; k++, at += 4) {
      const factor = factors[k];
      red += rgba[at] * factor;
      green += rgba[at + 1] * factor;
      blue += rgba[at + 2] * factor;
    }
    out[to] = byteOf(red);
    out[to + 1] = byteOf(green);
    out[to + 2] = byteOf(blue);
  }
}

function shorten(narrow, height, toWidth, toHeight) {
  const {first, start, values} = weightsOf(height, toHeight), factors = fixed(values), stride = 3 * toWidth;
  const out = new Uint8Array(toHeight * stride), totals = new Int32Array(stride);
  for (let i = 0; i < toHeight; i++) {
    totals.fill(HALF);
    for (let k = start[i], at = first[i] * stride; k < start[i + 1]; k++, at += stride)
      for (let x = 0; x < stride; x++) totals[x] += narrow[at + x] * factors[k];
    for (let x = 0; x < stride; x++) out[i * stride + x] = byteOf(totals[x]);
  }
  return out;
}

/** The first pass back: float32 [height][width] to [height][toWidth]. The second is done anew for every cut. */
export function widen(values, width, height, toWidth) {
  if (width === toWidth) return values;
  const {first, start, values: weights} = weightsOf(width, toWidth), out = new Float32Array(height * toWidth);
  for (let y = 0; y < height; y++)
    for (let i = 0; i < toWidth; i++) {
      let total = 0;
      for (let k = start[i], at = y * width + first[i]; k < start[i + 1]; k++, at++) total += values[at] * weights[k];
      out[y * toWidth + i] = total;
    }
  return out;
}

/** The second pass, float32 [height][width] to [toHeight][width]: use(y, row) for each row, which the next overwrites. */
export function eachRow(wide, width, height, toHeight, use) {
  if (height === toHeight) {
    for (let y = 0; y < height; y++) use(y, wide.subarray(y * width, (y + 1) * width));
    return;
  }
  const {first, start, values} = weightsOf(height, toHeight), totals = new Float64Array(width), row = new Float32Array(width);
  for (let y = 0; y < toHeight; y++) {
    totals.fill(0);
    for (let k = start[y], at = first[y] * width; k < start[y + 1]; k++, at += width) {
      const weight = values[k];
      for (let x = 0; x < width; x++) totals[x] += wide[at + x] * weight;
    }
    row.set(totals);
    use(y, row);
  }
}
