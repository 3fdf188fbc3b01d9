// Does this browser, on this processor, compute what was computed where the page was made?
import {sha256} from './digest.js';
import {MIDDLE} from './measure.js';
import {Refusal} from './refusal.js';
import {cut, segment} from './segment.js';

/** Segments every golden picture; a Refusal names the first whose mask differs in a single pixel. */
export async function selfTest(model, golden, decode) {
  for (const {file, bytes, mask_sha256} of golden) {
    const picture = await decode(bytes);
    const {mask} = cut(segment(model, picture), MIDDLE);
    picture.close?.();
    if (await sha256(mask) !== mask_sha256)
      throw new Refusal(`The self-test failed: the mask of ${file} is another one here.`,
        'No photo is segmented, since its mask could not be trusted. A browser that disturbs canvases against '
        + 'fingerprinting does this, too: allow this page to read them, or use another browser.');
  }
}
