// The files that the page needs, each checked against the digest that the page was made with.
import {sha256} from './digest.js';
import {Refusal} from './refusal.js';

/** What write_web put into the page: versions, digests, golden pictures, the model's card. */
export const readRelease = () => JSON.parse(document.getElementById('release').textContent);

/** The bytes of a file in the folder, or in the page itself where everything is one file. */
export async function bytesOf(file, digest) {
  const inside = document.querySelector(`script[data-file="${file}"]`);
  const bytes = inside ? await unpacked(inside) : await fetched(file);
  if (await sha256(bytes) !== digest)
    throw new Refusal(`${file} is not the file that this page was made with.`,
      'It was altered or cut off. Nothing is segmented: have the page installed again.');
  return bytes;
}

/** Where the worker's code is: beside the page, or inside it. */
export async function startWorker() {
  const inside = document.querySelector('script[data-file="worker.js"]');
  if (!inside) return new Worker('worker.js', {type: 'module'});
  const url = URL.createObjectURL(new Blob([await unpacked(inside)], {type: 'text/javascript'}));
  return new Worker(url); // no module: Chromium opens none of a blob in a page that is a file
}

async function fetched(file) {
  let answer;
  try {
    answer = await fetch(file);
  } catch {
    throw new Refusal(`${file} cannot be loaded.`, 'Check the connection, and load the page again.');
  }
  if (!answer.ok) throw new Refusal(`${file} is missing (${answer.status}).`, 'Have the page installed again.');
  return new Uint8Array(await answer.arrayBuffer());
}

/** What stands in the page itself: gzip in base64. */
async function unpacked({textContent}) {
  const packed = new Blob([Uint8Array.from(atob(textContent), (letter) => letter.charCodeAt(0))]);
  return new Uint8Array(await new Response(packed.stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
}
