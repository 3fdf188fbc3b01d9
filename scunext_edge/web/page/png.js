// Writes PNG files row by row. A canvas would do it, too, but only up to a size that depends on the device.

const CRC = Uint32Array.from({length: 256}, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = (byte >>> 1) ^ (byte & 1 ? 0xedb88320 : 0);
  return byte;
});
const BATCH_BYTES = 1 << 18;

/** A PNG of 8 bits: gray for one channel, RGB for three. `rowOf(y)` gives its bytes, which are copied. */
export async function encodePng({width, height, channels, rowOf}) {
  const stride = width * channels, rows = Math.max(1, Math.floor(BATCH_BYTES / (stride + 1)));
  const packed = new CompressionStream('deflate'), writer = packed.writable.getWriter();
  const whole = new Response(packed.readable).arrayBuffer();
  for (let y = 0; y < height; y += rows) {
    const count = Math.min(rows, height - y), batch = new Uint8Array(count * (stride + 1));
    for (let i = 0; i < count; i++) filter(batch.subarray(i * (stride + 1)), rowOf(y + i), stride, channels);
    await writer.write(batch);
  }
  await writer.close();
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8);
  head.setUint8(9, channels === 1 ? 0 : 2);
  return new Blob([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10),
    chunk('IHDR', new Uint8Array(head.buffer)),
    chunk('IDAT', new Uint8Array(await whole)),
    chunk('IEND', new Uint8Array(0)),
  ], {type: 'image/png'});
}

/** Colours are stored as differences from the pixel to the left, which pack better; masks as they are. */
function filter(out, row, stride, channels) {
  if (channels === 1) {
    out.set(row.subarray(0, stride), 1);
    return;
  }
  out[0] = 1;
  for (let x = 0; x < stride; x++) out[x + 1] = row[x] - (x < channels ? 0 : row[x - channels]);
}

function chunk(name, data) {
  const out = new Uint8Array(data.length + 12), view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(new TextEncoder().encode(name), 4);
  out.set(data, 8);
  let crc = ~0;
  for (let i = 4; i < data.length + 8; i++) crc = CRC[(crc ^ out[i]) & 255] ^ (crc >>> 8);
  view.setUint32(data.length + 8, ~crc);
  return out;
}
