// Outlines of a mask, Uint8Array [height][width] of 0 and 1: the same polygons and rims as runtime/contour.py.

// Ways out of a corner, clockwise as seen on a screen: east, south, west, north.
const STEP_X = [1, 0, -1, 0], STEP_Y = [0, 1, 0, -1];
const LOWEST = Uint8Array.from({length: 16}, (_, bits) => 31 - Math.clz32((bits & -bits) || 1));

/**
 * The outer outline of every region, the largest first, each as Int32Array x0, y0, x1, y1, ...; holes are left out.
 * Points are corners between pixels; pixels that touch at a corner belong together.
 */
export function contour(mask, width, height) {
  const {ways, starts} = outgoing(mask, width, height), stride = width + 1, found = [];
  for (const start of starts)
    while (ways[start]) {
      const corners = follow(ways, start, stride), area = areaOf(corners);
      if (area > 0) found.push({corners, area});
    }
  return found.sort((one, other) => other.area - one.area).map((it) => it.corners);
}

/** For every corner on a border: a bit for each way that leads on from it with the mask on the right. */
function outgoing(mask, width, height) {
  const stride = width + 1, ways = new Uint8Array(stride * (height + 1)), starts = [];
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      if (!mask[i]) continue;
      const at = y * stride + x;
      if (!y || !mask[i - width]) {
        ways[at] |= 1;
        starts.push(at); // every border goes east somewhere
      }
      if (x === width - 1 || !mask[i + 1]) ways[at + 1] |= 2;
      if (y === height - 1 || !mask[i + width]) ways[at + stride + 1] |= 4;
      if (!x || !mask[i - 1]) ways[at + stride] |= 8;
    }
  return {ways, starts};
}

/** Follows one border all around, using `ways` up; returns the points where the direction changes. */
function follow(ways, start, stride) {
  const points = [], taken = [];
  let point = start, way = LOWEST[ways[start]];
  while (ways[point]) {
    const left = (way + 3) & 3; // the left one of two joins pixels that touch here
    way = ways[point] & (1 << left) ? left : LOWEST[ways[point]];
    ways[point] &= ~(1 << way);
    points.push(point);
    taken.push(way);
    point += STEP_Y[way] * stride + STEP_X[way];
  }
  const corners = [];
  for (let i = 0, before = taken.at(-1); i < points.length; before = taken[i++])
    if (taken[i] !== before) corners.push(points[i] % stride, Math.floor(points[i] / stride));
  return Int32Array.from(corners);
}

/** Pixels inside a polygon, positive for an outer outline and negative for a hole. */
export function areaOf(corners) {
  let twice = 0;
  for (let i = 0, n = corners.length; i < n; i += 2)
    twice += corners[i] * corners[(i + 3) % n] - corners[(i + 2) % n] * corners[i + 1];
  return twice / 2;
}

/** 1 where a pixel of the mask lies within the rim that an overlay paints; wider in larger pictures. */
export function rimOf(mask, width, height) {
  const thick = Math.max(1, roundHalfEven(Math.max(width, height) / 300));
  const depth = new Uint16Array(width * height); // steps to the nearest pixel outside
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++)
      if (mask[i]) depth[i] = 1 + Math.min(x ? depth[i - 1] : 0, y ? depth[i - width] : 0);
  for (let y = height - 1, i = width * height - 1; y >= 0; y--)
    for (let x = width - 1; x >= 0; x--, i--)
      if (mask[i])
        depth[i] = Math.min(depth[i], 1 + (x < width - 1 ? depth[i + 1] : 0), 1 + (y < height - 1 ? depth[i + width] : 0));
  return Uint8Array.from(depth, (steps) => steps && steps <= thick ? 1 : 0);
}

/** As Python rounds. */
function roundHalfEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below + below % 2;
}
