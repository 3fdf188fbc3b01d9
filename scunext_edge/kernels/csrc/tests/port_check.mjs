// port_check through the loader: node port_check.mjs MODULE FILE [SEED] prints the CRC-32 of score and of logits.
import {readFileSync} from 'node:fs';
import {loadScunext, relaxedSimd} from '../../../web/page/scunext.js';

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (~crc >>> 0).toString(16).padStart(8, '0');
}

const [engine, file, seed = '0'] = process.argv.slice(2);
const model = await loadScunext(readFileSync(engine), readFileSync(file));
const rgb = new Uint8Array(3 * model.height * model.width);
let state = Number(seed);
for (let i = 0; i < rgb.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // random.h
  rgb[i] = state >>> 24;
}
console.log(`relaxed ${await relaxedSimd()}\nisa ${model.isa}`);
console.log(`score ${crc32(model.run(rgb))}\nlogits ${crc32(new Uint8Array(model.logits(rgb).buffer))}`);
JSON.parse(model.contract || '{}');
model.close();
