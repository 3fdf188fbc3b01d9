// What kind of picture a file is, and how large, before a decoder is let near it: a small file can hold a huge picture.
import {Refusal} from './refusal.js';

export const MOST_PIXELS = 50_000_000;
export const MOST_BYTES = 100_000_000;
const ACCEPTED = 'Use a JPEG, PNG, WebP or BMP file.';

/** {format, width, height} as stored, so before a turn by EXIF; else a Refusal that says what to do. */
export function readHeader(bytes) {
  if (bytes.length > MOST_BYTES)
    throw new Refusal(`The file has ${Math.round(bytes.length / 1e6)} MB.`, `At most ${MOST_BYTES / 1e6} MB can be opened.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let found;
  try {
    found = png(view) ?? jpeg(view) ?? webp(view) ?? bmp(view);
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal('The file is cut off or damaged.', 'Copy it again.');
    throw error;
  }
  if (!found) throw new Refusal('This is no picture that can be read here.', ACCEPTED);
  const {width, height} = found, megapixels = width * height / 1e6;
  if (!width || !height) throw new Refusal('The picture has no pixels.', 'Choose another one.');
  if (width * height > MOST_PIXELS)
    throw new Refusal(`The photo has ${megapixels.toFixed(0)} megapixels (${width} × ${height}).`,
      `At most ${MOST_PIXELS / 1e6} megapixels can be opened: make it smaller, or crop it around the lesion.`);
  return found;
}

const matches = (view, at, text) => [...text].every((letter, i) => view.getUint8(at + i) === letter.charCodeAt(0));

function png(view) {
  if (view.byteLength < 8 || view.getUint32(0) !== 0x89504e47) return null;
  if (view.getUint8(24) === 16)
    throw new Refusal('The picture has 16 bits per channel.', 'Save it with 8 bits: a browser rounds differently.');
  return {format: 'png', width: view.getUint32(16), height: view.getUint32(20)};
}

function jpeg(view) {
  if (view.byteLength < 3 || view.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; ;) {
    while (view.getUint8(at) === 0xff && view.getUint8(at + 1) === 0xff) at++; // padding
    const marker = view.getUint8(at + 1);
    if (view.getUint8(at) !== 0xff || marker === 0xda || marker === 0xd9) throw new RangeError('no frame header');
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      if (view.getUint8(at + 9) === 4) throw new Refusal('The picture is CMYK, made for printing.', 'Save it as RGB.');
      return {format: 'jpeg', width: view.getUint16(at + 7), height: view.getUint16(at + 5)};
    }
    at += 2 + view.getUint16(at + 2);
  }
}

function webp(view) {
  if (view.byteLength < 16 || !matches(view, 0, 'RIFF') || !matches(view, 8, 'WEBP')) return null;
  if (matches(view, 12, 'VP8X')) {
    if (view.getUint8(20) & 8 && turnedWebp(view))
      throw new Refusal('The picture is stored turned, and browsers do not agree on turning WebP.', 'Save it upright, or as JPEG.');
    return {format: 'webp', width: 1 + u24(view, 24), height: 1 + u24(view, 27)};
  }
  if (matches(view, 12, 'VP8L')) {
    const bits = view.getUint32(21, true);
    return {format: 'webp', width: 1 + (bits & 0x3fff), height: 1 + (bits >> 14 & 0x3fff)};
  }
  return {format: 'webp', width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff};
}

/** Whether the EXIF of a WebP names another orientation than upright. */
function turnedWebp(view) {
  let at = 12;
  while (!matches(view, at, 'EXIF')) at += 8 + view.getUint32(at + 4, true) + view.getUint32(at + 4, true) % 2;
  at += matches(view, at + 8, 'Exif') ? 14 : 8;
  const little = matches(view, at, 'II'), first = at + view.getUint32(at + 4, little);
  for (let i = 0; i < view.getUint16(first, little); i++) {
    const entry = first + 2 + 12 * i;
    if (view.getUint16(entry, little) === 0x0112) return view.getUint16(entry + 8, little) !== 1;
  }
  return false;
}

const u24 = (view, at) => view.getUint16(at, true) + 65536 * view.getUint8(at + 2);

function bmp(view) {
  if (view.byteLength < 26 || !matches(view, 0, 'BM')) return null;
  return {format: 'bmp', width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true))};
}
