// The page that does all by itself: every file checked, the model opened in the browser, the golden pictures segmented.
import {bytesOf, readRelease, startWorker} from './assets.js';
import {clientOf} from './client.js';
import {recordOf} from './measure.js';
import {keepOffline} from './offline.js';
import {Refusal} from './refusal.js';
import {relaxedSimd} from './scunext.js';
import {at, showCard, toolWith} from './tool.js';

const release = readRelease();
let isa = null;
const tool = toolWith({recordOf: (found) => recordOf({...found, release, isa}), example: () => pick(release.golden[0].file)});

async function start() {
  if (!globalThis.isSecureContext)
    throw new Refusal('This page was opened over plain http.', 'Files cannot be checked there. Open it over https, or from this device.');
  const fast = await relaxedSimd(), engine = release.engines[fast ? 'wasm_relaxed' : 'wasm'];
  const files = [engine, release.network, ...release.golden];
  const [engineBytes, network, ...pictures] = await Promise.all(files.map((it) => bytesOf(it.file, it.sha256)));
  if (!WebAssembly.validate(engineBytes))
    throw new Refusal('This browser cannot run the engine: it has no WebAssembly SIMD.', 'Use a browser of 2023 or later.');
  const golden = release.golden.map((it, i) => ({...it, bytes: pictures[i]}));
  const ask = clientOf(await startWorker());
  ({isa} = await ask('start', {engine: engineBytes, network, golden, quality: release.quality}));
  at('tested').textContent = `Self-test passed: ${golden.length} pictures, every pixel as expected (${isa}).`;
  tool.begin(ask);
}

async function pick(name) {
  const {file, sha256} = release.golden.find((it) => it.file === name);
  return new File([await bytesOf(file, sha256)], 'drawn-lesion.png', {type: 'image/png'});
}

showCard(release.card);
start().catch(tool.refuse);
keepOffline({
  ready: () => { at('offline').textContent = 'Kept on this device: works without a network.'; },
  renewed: (apply) => {
    at('renew').hidden = false;
    at('renew').onclick = apply;
  },
});
at('warning').textContent = release.warning ?? '';
at('warning').hidden = release.warning === null;
