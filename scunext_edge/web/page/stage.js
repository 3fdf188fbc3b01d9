// The photo on the screen, its outline over it.

/** {show(photo), outline(polygons), toPhoto(x, y), toScreen(x, y)} on a canvas within a frame; `drawn` follows each drawing. */
export function stageOn(frame, canvas, drawn) {
  const pen = canvas.getContext('2d');
  let photo = null, outlines = [], scale = 1;

  function draw() {
    if (!photo) return;
    const room = frame.clientWidth, tallest = Math.max(240, window.innerHeight * 0.72);
    scale = Math.min(room / photo.width, tallest / photo.height);
    const width = photo.width * scale, height = photo.height * scale, density = window.devicePixelRatio || 1;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(photo.preview, 0, 0, canvas.width, canvas.height);
    const path = pathOf(outlines, canvas.width / photo.width);
    pen.lineJoin = 'round';
    for (const [colour, wide] of [['rgb(0 0 0 / 65%)', 4.5], ['rgb(0 255 128)', 2]]) {
      pen.strokeStyle = colour; // a dark edge, so that the line is seen on any skin
      pen.lineWidth = wide * density;
      pen.stroke(path);
    }
    drawn();
  }

  new ResizeObserver(draw).observe(frame);
  window.addEventListener('resize', draw);
  return {
    show(shown) {
      photo?.preview.close();
      photo = shown;
      outlines = shown.cut.outlines;
      draw();
    },
    outline(polygons) {
      outlines = polygons;
      draw();
    },
    toPhoto: (x, y) => [x / scale, y / scale],
    toScreen: (x, y) => [x * scale, y * scale],
  };
}

/** Half a pixel is cut off every corner, so that stairs become slopes. */
function pathOf(outlines, scale) {
  const path = new Path2D();
  for (const corners of outlines) {
    for (let i = 0, n = corners.length; i < n; i += 2) {
      const x = corners[i], y = corners[i + 1], right = corners[(i + 2) % n] - x, down = corners[(i + 3) % n] - y;
      const half = [0.5 * Math.sign(right), 0.5 * Math.sign(down)];
      path[i ? 'lineTo' : 'moveTo']((x + half[0]) * scale, (y + half[1]) * scale);
      path.lineTo((x + right - half[0]) * scale, (y + down - half[1]) * scale);
    }
    path.closePath();
  }
  return path;
}
