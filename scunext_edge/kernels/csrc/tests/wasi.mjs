// Runs port_check built for WASI: node wasi.mjs MODULE serve. Of the system it gets its arguments, standard input and
// output. Not node:wasi, which is experimental: in Node 20 it crashes at the end of longer runs.
import {readFileSync, readSync, writeSync} from 'node:fs';

const NO_SUCH_FILE = 8, NOT_HERE = 52; // WASI's badf and nosys

const words = process.argv.slice(2).map((it) => new TextEncoder().encode(`${it}\0`));
const module = await WebAssembly.compile(readFileSync(process.argv[2]));

class Exit extends Error {
  constructor(code) {
    super(`ended with ${code}`);
    this.code = code;
  }
}

let memory;
const view = () => new DataView(memory.buffer); // memory may grow, and is another one then

// Calls use(bytes) for each of the pieces of memory at `at`, until one is not filled; returns 0, and the sum at `total`.
function pieces(at, count, total, use) {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const size = view().getUint32(at + 8 * i + 4, true);
    const done = size && use(new Uint8Array(memory.buffer, view().getUint32(at + 8 * i, true), size));
    sum += done;
    if (done < size) break;
  }
  view().setUint32(total, sum, true);
  return 0;
}

function writeAll(fd, bytes) {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
  return bytes.length;
}

const system = {
  args_sizes_get(count, size) {
    view().setUint32(count, words.length, true);
    view().setUint32(size, words.reduce((sum, it) => sum + it.length, 0), true);
    return 0;
  },
  args_get(pointers, at) {
    words.forEach((word, i) => {
      view().setUint32(pointers + 4 * i, at, true);
      new Uint8Array(memory.buffer).set(word, at);
      at += word.length;
    });
    return 0;
  },
  fd_read: (fd, at, count, total) => fd ? NO_SUCH_FILE : pieces(at, count, total, (bytes) => readSync(0, bytes)),
  fd_write: (fd, at, count, total) => pieces(at, count, total, (bytes) => writeAll(fd, bytes)),
  clock_time_get(clock, precision, at) {
    view().setBigUint64(at, process.hrtime.bigint(), true);
    return 0;
  },
  fd_prestat_get: () => NO_SUCH_FILE, // no folder is open
  proc_exit(code) {
    throw new Exit(code);
  },
};
for (const {name} of WebAssembly.Module.imports(module)) system[name] ??= () => NOT_HERE;

try {
  const {exports} = await WebAssembly.instantiate(module, {wasi_snapshot_preview1: system});
  memory = exports.memory;
  exports._start();
} catch (error) {
  if (!(error instanceof Exit)) throw error;
  process.exitCode = error.code;
}
