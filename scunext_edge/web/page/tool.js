// The page: what is pressed, dropped or pasted goes to the worker; what comes back is shown.
import {takePhoto} from './camera.js';
import {MIDDLE, areaInMm2, millimetresPerPixel, probabilityAt} from './measure.js';
import {rulerOn} from './ruler.js';
import {jsonOf, named, offer} from './save.js';
import {stageOn} from './stage.js';

export const at = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat('en'), few = new Intl.NumberFormat('en', {maximumSignificantDigits: 3});
const percent = (share) => new Intl.NumberFormat('en', {style: 'percent', maximumFractionDigits: 1}).format(share);

/**
 * The page's tool, closed at first. `ask` answers "open", "cut", "mask" and "overlay"; `recordOf({photo, cut, ruler, now})` is
 * what "Numbers" saves; `example()` gives a drawn lesion as a file; `shown(photo)` hears of every photo that was segmented.
 */
export function toolWith({recordOf, example, shown: heard = () => {}}) {
  let ask = null, photo = null, shown = null;
  const stage = stageOn(at('frame'), at('canvas'), () => ruler.place());
  const ruler = rulerOn({box: at('ruler'), lines: [at('ruler-under'), at('ruler-over')], marks: [at('mark-1'), at('mark-2')], length: at('length')},
    stage, () => describe());

  /** Opens the tool: pictures may come. */
  function begin(client) {
    ask = client;
    at('loading').hidden = true;
    at('tool').hidden = false;
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

  /** The reasons not to use this mask, each with what to do about it. */
  function warn(quality) {
    at('doubts').hidden = !quality || quality.usable;
    at('doubts-reasons').replaceChildren(...(quality?.flags ?? []).map(({what}) => {
      const line = document.createElement('li');
      line.textContent = what;
      return line;
    }));
  }

  function describe() {
    if (!photo) return;
    const {area, threshold, outlines} = shown, marked = ruler.value(), mm2 = areaInMm2(area, marked, photo.pixelMm2);
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
    const warned = photo.quality?.usable === false ? 'Do not use this mask. ' : '';
    say(`${warned}${found}${mm2 === null ? '' : `, ${few.format(mm2)} mm²`}.`);
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
      warn(photo.quality);
      heard(photo);
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
    at('example').onclick = () => example().then(open, complain);
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
      if (ask) open(event.dataTransfer.files[0]);
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
      jsonOf(recordOf({photo, cut: shown, ruler: ruler.value(), now: new Date()})), named(photo.name, '.json'));
  }

  wire();
  return {begin, refuse};
}

/** What is known of the model, title by title. */
export function showCard(card) {
  for (const [title, text] of card) {
    const [term, words] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = title;
    words.textContent = text;
    at('card').append(term, words);
  }
}
