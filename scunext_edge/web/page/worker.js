// The worker of the page that does all by itself.
import {decode} from './decode.js';
import {sha256} from './digest.js';
import {assess} from './quality.js';
import {selfTest} from './golden.js';
import {loadScunext} from './scunext.js';
import {segment} from './segment.js';
import {workWith} from './work.js';

let model, limits;

workWith({
  /** Opens the model and tests it. */
  async start({engine, network, golden, quality}) {
    const loaded = await loadScunext(engine, network);
    await selfTest(loaded, golden, decode);
    model = loaded;
    limits = quality;
    return {isa: model.isa};
  },

  async open({file}) {
    const began = performance.now();
    const bytes = new Uint8Array(await file.arrayBuffer());
    const picture = await decode(bytes);
    const decoded = performance.now();
    try {
      const found = segment(model, picture);
      const known = {sha256: await sha256(bytes), quality: assess(found.rgb, found.logits, limits)};
      return {picture, found: {...found, times: {decode: decoded - began, ...found.times}}, known};
    } catch (error) {
      picture.close();
      throw error;
    }
  },
});
