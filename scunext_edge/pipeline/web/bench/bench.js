// Engines that are all open in one page and take turns. What is timed: from RGB bytes at the network's size to a mask.
// record.py calls these functions and serves the folders page/, ort/ and models/ beside this one.
import {clientOf} from '../page/client.js';
import {loadScunext} from '../page/scunext.js';

const bytesOf = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
const engines = new Map();
let image, side;

const openers = {
  async native({wasm, file}) {
    const model = await loadScunext(await bytesOf(wasm), await bytesOf(file));
    return {isa: model.isa, logits: async (rgb) => model.run(rgb), above: 127};
  },

  async 'onnxruntime-web'({file}) {
    const ort = await import('../ort/ort.wasm.min.mjs');
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = new URL('../ort/', import.meta.url).href;
    const session = await ort.InferenceSession.create(await bytesOf(file), {executionProviders: ['wasm'], graphOptimizationLevel: 'all'});
    const logits = async (rgb) => {
      const found = await session.run({image: new ort.Tensor('uint8', rgb, [1, side, side, 3])});
      return found.logits.data;
    };
    return {isa: `wasm, ${ort.env.wasm.numThreads} thread`, logits, above: 0};
  },
};

async function maskOf({logits, above}) {
  const values = await logits(image), mask = new Uint8Array(values.length);
  for (let i = 0; i < mask.length; i++) mask[i] = values[i] > above ? 1 : 0;
  return mask;
}

globalThis.bench = {
  /** Opens an engine; {isa, load_ms: to its first mask, mask}. */
  async open(name, {engine, ...files}) {
    const start = performance.now(), opened = await openers[engine](files), mask = await maskOf(opened);
    engines.set(name, opened);
    return {isa: opened.isa, load_ms: performance.now() - start, mask: [...mask].join('')};
  },

  async image(path, size) {
    side = size;
    image = await bytesOf(path);
  },

  /** Milliseconds of each run, after one that does not count. */
  async burst(name, runs) {
    const opened = engines.get(name), times = [];
    for (let i = -1; i < runs; i++) {
      const start = performance.now();
      await maskOf(opened);
      if (i >= 0) times.push(performance.now() - start);
    }
    return times;
  },

  /** The page's own worker, from the bytes of a photo to its outline: {decode, resize, network, total} of each time. */
  async photo(path, release, runs) {
    const page = (file) => bytesOf(`../page/${file}`);
    const ask = clientOf(new Worker('../page/worker.js', {type: 'module'}));
    const golden = await Promise.all(release.golden.map(async (it) => ({...it, bytes: await page(it.file)})));
    const engine = await page(release.engine), network = await page(release.network);
    await ask('start', {engine, network, golden});
    const file = new Blob([await bytesOf(path)]), times = [];
    for (let i = -1; i < runs; i++) {
      const found = await ask('open', {file});
      found.preview.close();
      if (i >= 0) times.push(found.times);
    }
    return times;
  },
};
