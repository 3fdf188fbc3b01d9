// From a picture to its mask, as runtime/predictor.py does it with the native engine, bit for bit.
import {logitAt, logitsOf} from './measure.js';
import {contour} from './outline.js';
import {eachRow, toNetwork, widen} from './resize.js';

/** Runs the network on {width, height, rowsOf}, once; cut() needs no further run. */
export function segment(model, picture) {
  const start = performance.now();
  const rgb = toNetwork(picture, model.width, model.height);
  const ready = performance.now();
  const logits = logitsOf(model.run(rgb));
  const done = performance.now();
  return {
    width: picture.width,
    height: picture.height,
    networkHeight: model.height,
    rgb, // what the network was given, and what it answered
    logits,
    wide: widen(logits, model.width, model.height, picture.width),
    times: {resize: ready - start, network: done - ready},
  };
}

/** The mask at a threshold: {threshold, mask: Uint8Array [height][width] of 0 and 1, area in pixels}. */
export function cut({width, height, networkHeight, wide}, threshold) {
  const mask = new Uint8Array(width * height), logit = logitAt(threshold);
  let area = 0;
  eachRow(wide, width, networkHeight, height, (y, row) => {
    for (let x = 0, at = y * width; x < width; x++, at++)
      if (row[x] > logit) {
        mask[at] = 1;
        area++;
      }
  });
  return {threshold, mask, area};
}

/** cut() with the outlines of its regions. */
export function cutWithOutlines(segmented, threshold) {
  const found = cut(segmented, threshold);
  return {...found, outlines: contour(found.mask, segmented.width, segmented.height)};
}
