// The page: what is pressed, dropped or pasted goes to the worker; what comes back is shown.
import {bytesOf, readRelease, startWorker} from './assets.js';
import {takePhoto} from './camera.js';
import {clientOf} from './client.js';
import {MIDDLE, areaInMm2, millimetresPerPixel, probabilityAt, recordOf} from './measure.js';
import {keepOffline} from './offline.js';
import {Refusal} from './refusal.js';
import {rulerOn} from './ruler.js';
import {jsonOf, named, offer} from './save.js';
import {relaxedSimd} from './scunext.js';
import {stageOn} from './stage.js';

const at = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat('en'), few = new Intl.NumberFormat('en', {maximumSignificantDigits: 3});
const percent = (share) => new Intl.NumberFormat('en', {style: 'percent', maximumFractionDigits: 1}).format(share);
const release = readRelease();

let ask, isa, photo = null, shown = null;
const stage = stageOn(at('frame'), at('canvas'), () => ruler.place());
const ruler = rulerOn({box: at('ruler'), lines: [at('ruler-under'), at('ruler-over')], marks: [at('mark-1'), at('mark-2')], length: at('length')},
  stage, () => describe());

// --- start: every file checked, the model opened, the golden pictures segmented ---

async function start() {
  if (!globalThis.isSecureContext)
    throw new Refusal('This page was opened over plain http.', 'Files cannot be checked there. Open it over https, or from this device.');
  const fast = await relaxedSimd(), engine = release.engines[fast ? 'wasm_relaxed' : 'wasm'];
  const files = [engine, release.network, ...release.golden];
  const [engineBytes, network, ...pictures] = await Promise.all(files.map((it) => bytesOf(it.file, it.sha256)));
  if (!WebAssembly.validate(engineBytes))
    throw new Refusal('This browser cannot run the engine: it has no WebAssembly SIMD.', 'Use a browser of 2023 or later.');
  const golden = release.golden.map((it, i) => ({...it, bytes: pictures[i]}));
  ask = clientOf(await startWorker());
  ({isa} = await ask('start', {engine: engineBytes, network, golden}));
  at('loading').hidden = true;
  at('tool').hidden = false;
  at('tested').textContent = `Self-test passed: ${golden.length} pictures, every pixel as expected (${isa}).`;
  say('Ready. Choose a photo.');
}

function refuse(error) {
  at('loading').hidden = true;
  at('tool').hidden = true;
  at('refusal').hidden = false;
  at('refusal-reason').textContent = error.message;
  at('refusal-hint').textContent = error.hint ?? '';
}

// --- words: one line for everybody, read aloud once things have settled ---

let settling;
function say(text) {
  clearTimeout(settling);
  settling = setTimeout(() => { at('status').textContent = text; }, 150);
}

function complain(error) {
  at('problem').hidden = false;
  at('problem-reason').textContent = error.message;
  at('problem-hint').textContent = error.hint ?? '';
}

function describe() {
  if (!photo) return;
  const {area, threshold, outlines} = shown, marked = ruler.value(), mm2 = areaInMm2(area, marked);
  at('pixels').textContent = whole.format(area);
  at('share').textContent = percent(area / (photo.width * photo.height));
  at('regions').textContent = whole.format(outlines.length);
  at('mm2').textContent = mm2 === null ? 'needs a ruler' : few.format(mm2);
  const side = millimetresPerPixel(marked);
  at('scale').textContent = side === null ? '' : `1 pixel is ${few.format(side)} mm.`;
  at('threshold').setAttribute('aria-valuetext', `${percent(probabilityAt(threshold))}, score ${threshold}`);
  at('percent').textContent = percent(probabilityAt(threshold));
  at('score').textContent = threshold;
  at('reset').disabled = threshold === MIDDLE;
  const found = area ? `${whole.format(area)} pixels outlined, ${percent(area / (photo.width * photo.height))} of the photo` :
    'Nothing reaches the threshold: no outline';
  at('canvas').setAttribute('aria-label', `${photo.name}: ${found}.`);
  say(`${found}${mm2 === null ? '' : `, ${few.format(mm2)} mm²`}.`);
}

// --- a photo ---

async function open(file) {
  if (!file) return;
  at('problem').hidden = true;
  document.body.classList.add('busy');
  say('Working …');
  try {
    const found = await ask('open', {file});
    photo = {...found, name: file.name || 'pasted.png'};
    shown = found.cut;
    wanted = null;
    at('threshold').value = MIDDLE;
    at('empty').hidden = true;
    at('result').hidden = false;
    at('tool').classList.add('full');
    at('marking').checked = false;
    at('measuring').hidden = true;
    ruler.reset(photo);
    stage.show(photo);
    at('name').textContent = `${photo.name}, ${photo.width} × ${photo.height}`;
    at('time').textContent = `${few.format(photo.times.network)} ms in the network, ${few.format(photo.times.total)} ms in all.`;
    describe();
  } catch (error) {
    complain(error);
    say('');
  }
  document.body.classList.remove('busy');
}

// --- the threshold: one cut at a time, and always the last one that was asked for ---

let wanted = null, cutting = false;
async function cutAt(threshold) {
  wanted = threshold;
  if (cutting) return;
  cutting = true;
  try {
    while (wanted !== null) {
      const next = wanted;
      wanted = null;
      shown = await ask('cut', {threshold: next});
      stage.outline(shown.outlines);
      describe();
    }
  } catch (error) {
    complain(error);
  }
  cutting = false;
}

// --- wiring ---

async function pick(name) {
  const {file, sha256} = release.golden.find((it) => it.file === name);
  return new File([await bytesOf(file, sha256)], 'drawn-lesion.png', {type: 'image/png'});
}

async function save(call, ending) {
  try {
    offer(await ask(call), named(photo.name, ending));
  } catch (error) {
    complain(error);
  }
}

function wire() {
  at('choose').onclick = () => at('file').click();
  at('file').onchange = () => {
    open(at('file').files[0]);
    at('file').value = ''; // the same file again is a change, too
  };
  at('camera').onclick = () => {
    at('problem').hidden = true;
    takePhoto({dialog: at('camera-dialog'), video: at('video'), shutter: at('shutter'), cancel: at('cancel')})
      .then(open, complain);
  };
  at('example').onclick = () => pick(release.golden[0].file).then(open, complain);
  document.addEventListener('paste', (event) => {
    const file = [...event.clipboardData.files][0];
    if (ask && file) open(file);
  });
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    at('frame').classList.add('over');
  });
  for (const name of ['dragleave', 'drop']) document.addEventListener(name, () => at('frame').classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    if (isa) open(event.dataTransfer.files[0]);
  });
  at('threshold').oninput = () => cutAt(Number(at('threshold').value));
  at('reset').onclick = () => {
    at('threshold').value = MIDDLE;
    cutAt(MIDDLE);
  };
  at('marking').onchange = () => {
    at('measuring').hidden = !at('marking').checked;
    ruler.toggle(at('marking').checked);
  };
  at('save-mask').onclick = () => save('mask', '.mask.png');
  at('save-overlay').onclick = () => save('overlay', '.overlay.png');
  at('save-json').onclick = () => offer(
    jsonOf(recordOf({photo, cut: shown, ruler: ruler.value(), release, isa, now: new Date()})), named(photo.name, '.json'));
  for (const [title, text] of release.card) {
    const [term, words] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = title;
    words.textContent = text;
    at('card').append(term, words);
  }
}

wire();
start().catch(refuse);
keepOffline({
  ready: () => { at('offline').textContent = 'Kept on this device: works without a network.'; },
  renewed: (apply) => {
    at('renew').hidden = false;
    at('renew').onclick = apply;
  },
});
at('warning').textContent = release.warning ?? '';
at('warning').hidden = release.warning === null;
