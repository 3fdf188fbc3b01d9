// All the work, away from the page's own thread. Takes {id, call, ...}, answers {id, result} or {id, error}.
import {decode} from './decode.js';
import {sha256} from './digest.js';
import {MIDDLE} from './measure.js';
import {rimOf} from './outline.js';
import {encodePng} from './png.js';
import {assess} from './quality.js';
import {Refusal} from './refusal.js';
import {loadScunext} from './scunext.js';
import {cutWithOutlines, segment} from './segment.js';
import {selfTest} from './golden.js';

const PREVIEW_SIDE = 1600;
const GREEN = [0, 255, 128];

let model, limits, picture, segmented, latest;

const calls = {
  /** Opens the model and tests it. Nothing else is answered before. */
  async start({engine, network, golden, quality}) {
    const loaded = await loadScunext(engine, network);
    await selfTest(loaded, golden, decode);
    model = loaded;
    limits = quality;
    return {isa: model.isa};
  },

  /** Segments a file. What was open before stays open if this one is refused. */
  async open({file}) {
    const began = performance.now();
    const bytes = new Uint8Array(await file.arrayBuffer());
    const opened = await decode(bytes);
    const decoded = performance.now();
    let found, first, quality;
    try {
      found = segment(model, opened);
      first = cutWithOutlines(found, MIDDLE);
      quality = assess(found.rgb, found.logits, limits);
    } catch (error) {
      opened.close();
      throw error;
    }
    const times = {decode: decoded - began, ...found.times, total: performance.now() - began};
    picture?.close();
    [picture, segmented, latest] = [opened, found, first];
    const preview = previewOf(opened);
    const {width, height} = opened;
    return [{width, height, times, sha256: await sha256(bytes), preview, quality, cut: withoutMask(first)}, [preview]];
  },

  /** The same photo at another threshold. */
  cut({threshold}) {
    latest = cutWithOutlines(segmented, threshold);
    return withoutMask(latest);
  },

  /** The latest mask as a PNG of 0 and 255. */
  mask() {
    const {width, height} = segmented, {mask} = latest, row = new Uint8Array(width);
    const rowOf = (y) => {
      for (let x = 0; x < width; x++) row[x] = mask[y * width + x] ? 255 : 0;
      return row;
    };
    return encodePng({width, height, channels: 1, rowOf});
  },

  /** The photo with the rim of the latest mask in green, at the photo's own size. */
  overlay() {
    const {width, height} = segmented, rim = rimOf(latest.mask, width, height), row = new Uint8Array(3 * width);
    const rowOf = (y) => {
      const rgba = picture.rowsOf(y, 1);
      for (let x = 0; x < width; x++)
        for (let c = 0; c < 3; c++) row[3 * x + c] = rim[y * width + x] ? GREEN[c] : rgba[4 * x + c];
      return row;
    };
    return encodePng({width, height, channels: 3, rowOf});
  },
};

const withoutMask = ({threshold, area, outlines}) => ({threshold, area, outlines});

/** The photo, small enough for a screen. */
function previewOf({bitmap, width, height}) {
  const scale = Math.min(1, PREVIEW_SIDE / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.transferToImageBitmap();
}

let before = Promise.resolve(); // one call after another, in order
self.onmessage = ({data}) => {
  before = before.then(() => answer(data));
};

async function answer({id, call, ...given}) {
  try {
    if (!model && call !== 'start') throw new Refusal('The self-test has not passed.');
    const result = await calls[call](given);
    const [plain, moved] = Array.isArray(result) ? result : [result, []];
    self.postMessage({id, result: plain}, moved);
  } catch (error) {
    self.postMessage({id, error: {message: error.message, hint: error.hint ?? null}});
  }
}
