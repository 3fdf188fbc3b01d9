// A file to pixels, upright, as they are stored: no colour management, as in data/images.py.
import {readHeader} from './header.js';
import {Refusal} from './refusal.js';
import {BAND} from './resize.js';

/** {width, height, rowsOf(y, count) → RGBA, bitmap, close()} of a picture file's bytes; else a Refusal. */
export async function decode(bytes) {
  const {format} = readHeader(bytes);
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes], {type: `image/${format}`}),
      {imageOrientation: 'from-image', premultiplyAlpha: 'none', colorSpaceConversion: 'none'});
  } catch {
    throw new Refusal('The picture cannot be decoded.', 'The file is damaged or cut off, or too large for this device.');
  }
  const {width, height} = bitmap;
  const pen = new OffscreenCanvas(width, Math.min(BAND, height)).getContext('2d', {willReadFrequently: true});
  const rowsOf = (y, count) => {
    pen.clearRect(0, 0, width, count);
    pen.drawImage(bitmap, 0, -y);
    const {data} = pen.getImageData(0, 0, width, count);
    for (let i = 3; i < data.length; i += 4)
      if (data[i] !== 255) throw new Refusal('The picture has transparent parts.', 'Save it without transparency.');
    return data;
  };
  return {width, height, rowsOf, bitmap, close: () => bitmap.close()};
}
