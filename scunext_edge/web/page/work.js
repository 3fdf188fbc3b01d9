// All the work, away from the page's own thread. Takes {id, call, ...}, answers {id, result} or {id, error}.
import {MIDDLE} from './measure.js';
import {rimOf} from './outline.js';
import {encodePng} from './png.js';
import {Refusal} from './refusal.js';
import {cutWithOutlines} from './segment.js';

const PREVIEW_SIDE = 1600;
const GREEN = [0, 255, 128];

let picture, segmented, latest;

/**
 * Answers the page. `start(given)` comes first, once; nothing else is answered before it has passed. `open(given)` gives a photo as
 * {picture, found, known}: as decode() and segment() give them, and what else the page is to know of it.
 */
export function workWith({start, open}) {
  let started = false, before = Promise.resolve(); // one call after another, in order
  const all = {
    ...calls,
    start: async (given) => {
      const told = await start(given);
      started = true;
      return told;
    },
    open: (given) => opened(open, given),
  };

  async function answer({id, call, ...given}) {
    try {
      if (!started && call !== 'start') throw new Refusal('The self-test has not passed.');
      const result = await all[call](given);
      const [plain, moved] = Array.isArray(result) ? result : [result, []];
      self.postMessage({id, result: plain}, moved);
    } catch (error) {
      self.postMessage({id, error: {message: error.message, hint: error.hint ?? null}});
    }
  }

  self.onmessage = ({data}) => {
    before = before.then(() => answer(data));
  };
}

/** Segments a file. What was open before stays open if this one is refused. */
async function opened(open, given) {
  const began = performance.now();
  const {picture: next, found, known} = await open(given);
  let first;
  try {
    first = cutWithOutlines(found, MIDDLE);
  } catch (error) {
    next.close();
    throw error;
  }
  const times = {...found.times, total: performance.now() - began};
  picture?.close();
  [picture, segmented, latest] = [next, found, first];
  const preview = previewOf(next), {width, height} = next;
  return [{width, height, times, ...known, preview, cut: withoutMask(first)}, [preview]];
}

const calls = {
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
