// The worker of the server's page: a photo goes to the server, which runs the network; all that follows is done here.
import {decode} from './decode.js';
import {Refusal} from './refusal.js';
import {widen} from './resize.js';
import {toldBy} from './told.js';
import {workWith} from './work.js';

let maxBytes;

workWith({
  start: (given) => { ({maxBytes} = given); },

  async open({file, token}) {
    if (file.size > maxBytes)
      throw new Refusal(`The file has ${(file.size / 1e6).toFixed(1)} MB.`, `This server takes at most ${maxBytes / 1e6} MB.`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    const own = await decoded(bytes); // else the server sends it as it decoded it: DICOM, TIFF, 16 bits, CMYK
    let picture = own;
    try {
      const answer = await segmented(bytes, token, own === null);
      picture ??= await decode(bytesOf(answer.picture));
      if (picture.width !== answer.width || picture.height !== answer.height)
        throw new Refusal('This browser and the server do not read this picture alike.', 'Save it again, as PNG.');
      return {picture, found: foundIn(answer), known: knownOf(answer)};
    } catch (error) {
      picture?.close();
      throw error;
    }
  },
});

async function decoded(bytes) {
  let picture;
  try {
    picture = await decode(bytes);
    for (let y = 0; y < picture.height; y += 64) picture.rowsOf(y, Math.min(64, picture.height - y)); // no transparency
    return picture;
  } catch (error) {
    picture?.close();
    if (error instanceof Refusal) return null;
    throw error;
  }
}

async function segmented(bytes, token, picture) {
  const headers = {'content-type': 'application/octet-stream', accept: 'application/json'};
  if (token) headers.authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(`v1/segment?logits=true&picture=${picture}`, {method: 'POST', headers, body: bytes});
  } catch {
    throw new Refusal('The server cannot be reached.', 'The photo was not segmented. Check the connection, and try again.');
  }
  const told = await toldBy(answer);
  if (answer.status === 401) throw new Refusal('The server does not take the token any more.', 'token');
  if (!answer.ok) throw new Refusal(sentence(told.detail), told.hint ? sentence(told.hint) : '');
  return told;
}

/** As segment() gives it. */
function foundIn({width, height, logits, time_ms}) {
  const values = new Float32Array(bytesOf(logits.float32).buffer);
  return {
    width,
    height,
    networkHeight: logits.height,
    wide: widen(values, logits.width, logits.height, width),
    times: {network: time_ms.network, server: time_ms.total},
  };
}

const knownOf = ({id, notice, picture_sha256, quality, versions, spacing_mm}) => ({
  id, notice, quality, versions, version: versions.scunext_edge,
  sha256: picture_sha256,
  pixelMm2: spacing_mm && spacing_mm[0] * spacing_mm[1],
});

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
