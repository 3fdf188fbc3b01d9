// Whether the mask may be used, as quality/ of the package decides it. Pure arithmetic, at the network's size.

const CLIP = 8, WHITE = 245, SPECULAR = 225, ABOVE = 40, MARGIN = 8, TOP = 200, COARSE = 8;

/**
 * RGB bytes [side][side][3], logits [side][side] and the release's limits, or null, to {usable, flags, values}.
 * Sums of whole numbers are exact; exp, log and sums of fractions are within 1e-9 of the package's.
 */
export function assess(rgb, logits, limits) {
  if (!limits) return null;
  const values = {...signalsOf(rgb, logits, limits.size), distance: distanceOf(looksOf(rgb, limits.size), limits.domain)};
  const flags = limits.rules
    .map((rule) => ({...rule, value: values[rule.signal], limit: limits.limits[rule.name]}))
    .filter(({below, value, limit}) => below ? value < limit : value > limit)
    .map(({name, value, limit, what}) => ({name, value, limit, what}));
  return {usable: flags.length === 0, flags, values};
}

export function signalsOf(rgb, logits, side) {
  const gray = grayOf(rgb), levels = new Uint32Array(256), clipped = Float64Array.from(logits, (it) => Math.min(Math.max(it, -CLIP), CLIP));
  for (const level of gray) levels[level]++;
  let white = 0;
  for (let level = WHITE; level < 256; level++) white += levels[level];
  return {
    sharpness: sharpnessOf(gray, side),
    light: levelOf(levels, 9, 10),
    white: white / gray.length,
    glare: glareOf(rgb, clipped, side, levelOf(levels, 1, 2)),
    found: foundOf(clipped),
    confidence: confidenceOf(clipped),
  };
}

/** Eight numbers that tell one kind of picture from another. */
export function looksOf(rgb, side) {
  const gray = grayOf(rgb), first = new Int16Array(gray.length), second = new Int16Array(gray.length), found = [];
  for (let i = 0; i < gray.length; i++) {
    first[i] = rgb[3 * i] - rgb[3 * i + 1];
    second[i] = rgb[3 * i + 1] - rgb[3 * i + 2];
  }
  for (const plane of [gray, first, second]) found.push(meanOf(plane), Math.log(spreadOf(plane) + 1));
  for (const step of [1, COARSE]) {
    let down = 0, right = 0;
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        const here = gray[y * side + x];
        if (y + step < side) down += Math.abs(gray[(y + step) * side + x] - here);
        if (x + step < side) right += Math.abs(gray[y * side + x + step] - here);
      }
    const count = side * (side - step);
    found.push(Math.log(down / count + right / count + 0.01));
  }
  return found;
}

function distanceOf(looks, {mean, inverse}) {
  const apart = looks.map((it, i) => it - mean[i]);
  let total = 0;
  for (let i = 0; i < apart.length; i++)
    for (let j = 0; j < apart.length; j++) total += apart[i] * inverse[i][j] * apart[j];
  return Math.sqrt(Math.max(total, 0));
}

function grayOf(rgb) {
  const gray = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < gray.length; i++) gray[i] = (77 * rgb[3 * i] + 150 * rgb[3 * i + 1] + 29 * rgb[3 * i + 2]) >> 8;
  return gray;
}

function sharpnessOf(gray, side) {
  const laplacian = new Int16Array((side - 2) ** 2), mean = meanOf(gray);
  for (let y = 1, at = 0; y < side - 1; y++)
    for (let x = 1, i = y * side + 1; x < side - 1; x++, i++)
      laplacian[at++] = 4 * gray[i] - gray[i - side] - gray[i + side] - gray[i - 1] - gray[i + 1];
  return mean ? spreadOf(laplacian) / mean : 0;
}

/** The share of the mask's surroundings that is a highlight; of the picture without a mask. */
function glareOf(rgb, clipped, side, median) {
  let [top, bottom, left, right] = [side, -1, side, -1];
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (clipped[y * side + x] > 0) [top, bottom, left, right] = [Math.min(top, y), y, Math.min(left, x), Math.max(right, x)];
  const [y0, y1] = widened(top, bottom, side), [x0, x1] = widened(left, right, side);
  const least = Math.max(SPECULAR, median + ABOVE);
  let hits = 0;
  for (let y = y0; y < y1; y++)
    for (let x = x0, at = 3 * (y * side + x0); x < x1; x++, at += 3)
      if (rgb[at] >= least && rgb[at + 1] >= least && rgb[at + 2] >= least) hits++;
  return hits / ((y1 - y0) * (x1 - x0));
}

function widened(first, last, side) {
  if (last < 0) return [0, side];
  const more = Math.floor((last - first + 1) / MARGIN);
  return [Math.max(first - more, 0), Math.min(last + 1 + more, side)];
}

function foundOf(clipped) {
  const count = Math.max(1, Math.floor(clipped.length / TOP));
  let total = 0;
  for (const logit of clipped.slice().sort().subarray(clipped.length - count)) total += logit;
  return total / count;
}

/** Soft Dice Confidence: the Dice that the network itself expects. */
function confidenceOf(clipped) {
  let area = 0, inside = 0, all = 0;
  for (const logit of clipped) {
    const chance = 1 / (1 + Math.exp(-logit));
    all += chance;
    if (logit > 0) {
      area++;
      inside += chance;
    }
  }
  return area ? 2 * inside / (area + all) : 0;
}

/** The least gray level that part / of of the pixels do not exceed. */
function levelOf(levels, part, of) {
  const total = levels.reduce((sum, it) => sum + it, 0);
  for (let level = 0, sum = 0; ; level++) {
    sum += levels[level];
    if (sum * of >= part * total) return level;
  }
}

function meanOf(plane) {
  let total = 0;
  for (const value of plane) total += value;
  return total / plane.length;
}

/** Standard deviation, from whole numbers below 2^53: exact up to the root. */
function spreadOf(plane) {
  let total = 0, squares = 0;
  for (const value of plane) {
    total += value;
    squares += value * value;
  }
  const count = plane.length;
  return Math.sqrt((count * squares - total * total) / (count * count));
}
