// Runs .scx models in browsers and in Node. One file, no dependency.
//
//   const engine = (await relaxedSimd()) ? 'scunext-relaxed.wasm' : 'scunext.wasm';
//   const model = await loadScunext(await bytesOf(engine), await bytesOf('scunext-int8.scx'));
//   const score = model.run(rgb);  // Uint8Array [H][W] of Uint8Array [H][W][3]: 128 or more is lesion
//
// There are two modules because a module with relaxed instructions does not load where they are unknown.

// A module that exports dot(), which returns 5 + 100 * 127 + 100 * 127 + 100 * 127 + 100 * 127 by
// i32x4.relaxed_dot_i8x16_i7x16_add_s.
const PROBE = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 100, 111, 116, 0, 0, 10, 24, 1, 22, 0,
  65, 228, 0, 253, 15, 65, 255, 0, 253, 15, 65, 5, 253, 17, 253, 147, 2, 253, 27, 0, 11);

/** Whether scunext-relaxed.wasm can be used here. Early engines knew the instructions and computed them wrongly. */
export async function relaxedSimd() {
  if (!WebAssembly.validate(PROBE)) return false;
  const {instance} = await WebAssembly.instantiate(PROBE);
  return instance.exports.dot() === 5 + 4 * 100 * 127;
}

const SCORE = 1, LOGITS = 0;
const OPTIONS_BYTES = 36, DESCRIPTION_BYTES = 56; // of scx_options and scx_description, include/scunext.h

/**
 * Opens a model. Options: height and width of the images, multiples of 32; what the file was exported for if not given.
 * Returns {height, width, isa, arenaBytes, contract, run(rgb), logits(rgb), close()}.
 */
export async function loadScunext(wasmBytes, scxBytes, {height = 0, width = 0} = {}) {
  const module = await WebAssembly.compile(wasmBytes);
  const imports = {};
  for (const it of WebAssembly.Module.imports(module)) {
    // The C library would like a system for its last words. There is none: 52 is "not implemented".
    (imports[it.module] ??= {})[it.name] = () => 52;
  }
  const {exports: c} = await WebAssembly.instantiate(module, imports);
  c._initialize();

  const view = () => new DataView(c.memory.buffer); // memory may grow, and is another one then
  const bytes = (at, count) => new Uint8Array(c.memory.buffer, at, count);
  const allocate = (count) => {
    const at = c.malloc(count);
    if (!at) throw new RangeError(`${count} bytes are more than there is`);
    return at;
  };
  const text = (at, count) => new TextDecoder().decode(bytes(at, count).slice());
  const terminated = (at) => text(at, bytes(at).indexOf(0));

  const options = allocate(OPTIONS_BYTES), file = allocate(scxBytes.length);
  bytes(options, OPTIONS_BYTES).fill(0);
  view().setUint32(options, OPTIONS_BYTES, true);
  view().setInt32(options + 12, height, true);
  view().setInt32(options + 16, width, true);
  bytes(file, scxBytes.length).set(scxBytes);
  const model = c.scx_open_memory(file, scxBytes.length, options);
  c.free(file);
  c.free(options);
  if (!model) throw new Error(terminated(c.scx_last_error()));

  const at = allocate(DESCRIPTION_BYTES);
  bytes(at, DESCRIPTION_BYTES).fill(0);
  view().setUint32(at, DESCRIPTION_BYTES, true);
  c.scx_describe(model, at);
  const described = view();
  const H = described.getInt32(at + 4, true), W = described.getInt32(at + 8, true);
  const about = {
    height: H,
    width: W,
    isa: terminated(described.getUint32(at + 20, true)),
    arenaBytes: Number(described.getBigUint64(at + 24, true)),
    contract: text(described.getUint32(at + 44, true), described.getUint32(at + 48, true)),
  };
  c.free(at);

  const image = allocate(3 * H * W), output = allocate(4 * H * W);
  let open = true;
  const compute = (rgb, what, size) => {
    if (!open) throw new Error('the model is closed');
    if (rgb.length !== 3 * H * W) throw new RangeError(`expected ${3 * H * W} bytes of RGB, got ${rgb.length}`);
    bytes(image, rgb.length).set(rgb);
    if (c.scx_run(model, image, 1, what, output)) throw new Error(terminated(c.scx_last_error()));
    return c.memory.buffer.slice(output, output + size * H * W);
  };
  return {
    ...about,
    run: (rgb) => new Uint8Array(compute(rgb, SCORE, 1)),
    logits: (rgb) => new Float32Array(compute(rgb, LOGITS, 4)),
    close() {
      if (!open) return;
      open = false;
      c.scx_close(model);
      c.free(image);
      c.free(output);
    },
  };
}
