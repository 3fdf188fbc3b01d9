// What the page computes from a mask and a ruler, and the record that it saves. No network, no picture, no DOM.

export const MIDDLE = 128; // the score at the model's own threshold; one step is 1/16 of a logit
export const NOTICE = 'Not a medical device. The outline is no finding and has not been validated clinically.';

/** The logit of a score byte: the middle of its step, so that 0 parts the same pixels. */
export const logitsOf = (score) => Float32Array.from(score, (byte) => (byte - 127.5) / 16);

/** A pixel is lesion where its logit exceeds this; 0 for 128. */
export const logitAt = (threshold) => (threshold - MIDDLE) / 16;

/** The same threshold as a probability. */
export const probabilityAt = (threshold) => 1 / (1 + Math.exp(-logitAt(threshold)));

/** Millimetres of one pixel, or null: {ax, ay, bx, by} in pixels are lengthMm apart. */
export function millimetresPerPixel(ruler) {
  if (!ruler || !(ruler.lengthMm > 0) || !Number.isFinite(ruler.lengthMm)) return null;
  const pixels = Math.hypot(ruler.bx - ruler.ax, ruler.by - ruler.ay);
  return pixels >= 1 ? ruler.lengthMm / pixels : null;
}

/** Area in mm², or null where nothing says how large a pixel is: neither a ruler nor, in mm² of one pixel, the file. */
export function areaInMm2(pixels, ruler, pixelMm2 = null) {
  const side = millimetresPerPixel(ruler);
  if (side !== null) return pixels * side * side;
  return pixelMm2 === null ? null : pixels * pixelMm2;
}

/** What "Numbers" saves. Unknown is null. */
export function recordOf({photo, cut, ruler, release, isa, now}) {
  return {
    schema: 1,
    kind: 'web-segmentation',
    notice: NOTICE,
    created: now.toISOString(),
    tool: {name: 'scunext-edge', version: release.version},
    model: release.model,
    engine: {isa, sha256: release.engines[isa].sha256},
    self_test: {passed: true, pictures: release.golden.length},
    ...measured({photo, cut, ruler}),
  };
}

/** The part of a record that is of the photo; contours are corners between pixels, x and y. */
export function measured({photo, cut, ruler}) {
  return {
    image: {name: photo.name, sha256: photo.sha256, width: photo.width, height: photo.height},
    threshold: {score: cut.threshold, logit: logitAt(cut.threshold), probability: probabilityAt(cut.threshold)},
    area_pixels: cut.area,
    area_fraction: cut.area / (photo.width * photo.height),
    area_mm2: areaInMm2(cut.area, ruler, photo.pixelMm2),
    ruler: ruler && {
      from: [ruler.ax, ruler.ay],
      to: [ruler.bx, ruler.by],
      length_mm: millimetresPerPixel(ruler) === null ? null : ruler.lengthMm,
      mm_per_pixel: millimetresPerPixel(ruler),
    },
    quality: photo.quality, // of the model's own threshold; null: no limits were set
    contour: cut.outlines.map((corners) => pairs(corners)),
    time_ms: photo.times,
  };
}

const pairs = (flat) => Array.from({length: flat.length / 2}, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
