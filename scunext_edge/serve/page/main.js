// The page of the server: what is needed before a photo may go there, and what came back about it.
import {clientOf} from './client.js';
import {measured} from './measure.js';
import {Refusal} from './refusal.js';
import {toldBy} from './told.js';
import {at, showCard, toolWith} from './tool.js';

const TOKEN = 'scunext-token', AGAIN_MS = 3000;
let terms, token = sessionStorage.getItem(TOKEN) ?? '';
const tool = toolWith({recordOf, example, shown});

// --- start: terms, token, readiness ---

async function start() {
  terms = await json('v1/terms');
  at('where').textContent = terms.keeps_pictures ?
    'Photos go to this server and nowhere else. It stores them, with their results.' :
    'Photos go to this server and nowhere else. It does not store them.';
  if (!terms.admitted) return askForToken(token ? 'This is not the token.' : '');
  sessionStorage.setItem(TOKEN, token);
  at('entry').hidden = true;
  await untilReady();
}

async function untilReady() {
  const answer = await reach('readyz'), told = await toldBy(answer);
  if (!answer.ok) {
    at('loading').textContent = `The server is not ready: ${told.detail}. Asking again …`;
    at('loading').hidden = false;
    setTimeout(() => untilReady().catch(tool.refuse), AGAIN_MS);
    return;
  }
  const {gate} = told.versions;
  at('warning').hidden = gate === 'passed' || gate === 'reference';
  at('warning').textContent = `This network ${gate === 'failed' ? 'did not pass its accuracy gate' : 'was judged by no accuracy gate'}.`;
  showCard(Object.entries({
    Network: `${told.versions.model}, ${told.versions.precision.toUpperCase()}, on ${told.versions.engine} ${told.versions.engine_version}`,
    'Made by': `scunext-edge ${told.versions.scunext_edge}, bundle ${told.versions.bundle}, artifact ${told.versions.artifact}`,
    Limits: 'It knows pictures like those that it was trained and scored on. On others it draws an outline, too, which may mean nothing.',
  }));
  at('tested').textContent = `This device accepted ${told.versions.form} of the bundle.`;
  const ask = clientOf(new Worker('worker.js', {type: 'module'}));
  await ask('start', {maxBytes: terms.max_bytes});
  tool.begin(async (call, values) => {
    try {
      return await ask(call, call === 'open' ? {...values, token} : values);
    } catch (error) {
      if (error.hint === 'token') forget();
      throw error;
    }
  });
}

function askForToken(words) {
  at('loading').hidden = true;
  at('entry').hidden = false;
  at('entry-problem').textContent = words;
  at('token').focus();
}

/** The server does not take it any more. */
function forget() {
  sessionStorage.removeItem(TOKEN);
  location.reload();
}

at('entry-form').onsubmit = (event) => {
  event.preventDefault();
  token = at('token').value.trim();
  at('token').value = '';
  start().catch(tool.refuse);
};

async function reach(path) {
  try {
    return await fetch(path, {headers: token ? {authorization: `Bearer ${token}`} : {}});
  } catch {
    throw new Refusal('The server cannot be reached.', 'Check the connection, and load the page again.');
  }
}

async function json(path) {
  const answer = await reach(path);
  if (!answer.ok) throw new Refusal(`The server answers ${answer.status}.`, 'Load the page again.');
  return toldBy(answer);
}

// --- a photo ---

function shown({quality}) {
  at('unassessed').hidden = quality !== null;
}

/** What "Numbers" saves. */
function recordOf({photo, cut, ruler, now}) {
  const {notice, version, versions, id} = photo;
  return {
    schema: 1,
    kind: 'server-segmentation',
    notice,
    created: now.toISOString(),
    tool: {name: 'scunext-edge', version},
    request: id,
    versions,
    ...measured({photo, cut, ruler}),
  };
}

async function example() {
  const answer = await reach('example.png');
  return new File([await answer.blob()], 'drawn-lesion.png', {type: 'image/png'});
}

start().catch(tool.refuse);
