// Runs a command built for WASI: node wasi.mjs MODULE [WORDS...]. It may read every file.
import {readFileSync} from 'node:fs';
import {WASI} from 'node:wasi';

const words = process.argv.slice(2);
const wasi = new WASI({version: 'preview1', args: words, preopens: {'/': '/'}});
const module = await WebAssembly.compile(readFileSync(words[0]));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, {wasi_snapshot_preview1: wasi.wasiImport}));
