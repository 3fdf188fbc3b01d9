// Calls the page's modules for tests: a list of {call, ...} on standard input, the list of their results on standard output.
// Bytes go both ways as {bytes: base64}; a Refusal is {refusal, hint}.
import {readFileSync} from 'node:fs';
import {readHeader} from '../../scunext_edge/web/page/header.js';
import * as measure from '../../scunext_edge/web/page/measure.js';
import {areaOf, contour, rimOf} from '../../scunext_edge/web/page/outline.js';
import {encodePng} from '../../scunext_edge/web/page/png.js';
import {assess} from '../../scunext_edge/web/page/quality.js';
import {Refusal} from '../../scunext_edge/web/page/refusal.js';
import {eachRow, toNetwork, widen} from '../../scunext_edge/web/page/resize.js';
import {loadScunext} from '../../scunext_edge/web/page/scunext.js';
import {cut, segment} from '../../scunext_edge/web/page/segment.js';

const given = (value) => new Uint8Array(Buffer.from(value.bytes, 'base64'));
const taken = (array) => ({bytes: Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64')});

/** A picture as the decoder gives it, from RGB bytes. */
function pictureOf({rgb, width, height}) {
  const bytes = given(rgb), rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(bytes.subarray(3 * i, 3 * i + 3), 4 * i);
  return {width, height, rowsOf: (y, count) => rgba.subarray(4 * width * y, 4 * width * (y + count))};
}

let model;
const calls = {
  toNetwork: (it) => taken(toNetwork(pictureOf(it), it.toWidth, it.toHeight)),
  toImage({values, width, height, toWidth, toHeight}) {
    const out = new Float32Array(toWidth * toHeight), bytes = given(values);
    const wide = widen(new Float32Array(bytes.buffer), width, height, toWidth);
    eachRow(wide, toWidth, height, toHeight, (y, row) => out.set(row, y * toWidth));
    return taken(out);
  },
  contour: ({mask, width, height}) => contour(given(mask), width, height).map((it) => [...it]),
  area: ({corners}) => areaOf(corners),
  rim: ({mask, width, height}) => taken(rimOf(given(mask), width, height)),
  png: async ({rows, width, height, channels}) => {
    const bytes = given(rows), stride = width * channels;
    const file = await encodePng({width, height, channels, rowOf: (y) => bytes.subarray(y * stride, (y + 1) * stride)});
    return taken(new Uint8Array(await file.arrayBuffer()));
  },
  quality: ({rgb, logits, limits}) => assess(given(rgb), new Float32Array(given(logits).buffer), limits),
  header: ({file}) => readHeader(given(file)),
  measure: ({name, values}) => measure[name](...values),
  record: ({values}) => measure.recordOf({...values, now: new Date(0)}),
  async load({engine, network}) {
    model = await loadScunext(readFileSync(engine), readFileSync(network));
    return model.isa;
  },
  masks(it) {
    const segmented = segment(model, pictureOf(it));
    return it.thresholds.map((threshold) => taken(cut(segmented, threshold).mask));
  },
};

const results = [];
for (const {call, ...values} of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    results.push(await calls[call](values) ?? null);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    results.push({refusal: error.message, hint: error.hint});
  }
}
process.stdout.write(JSON.stringify(results));
