// Two marks on the photo whose distance somebody knows. They are buttons: a mouse, a finger or the arrow keys move them.

const KEYS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/** `changed` is called when a mark or the length moved. value() is null while no ruler is shown. */
export function rulerOn({box, lines, marks, length}, stage, changed) {
  let photo = null, points = null, lengthMm = null;

  function place() {
    box.hidden = !points;
    if (!points) return;
    const [[ax, ay], [bx, by]] = points.map(([x, y]) => stage.toScreen(x, y));
    marks.forEach((mark, i) => {
      const [x, y] = [[ax, ay], [bx, by]][i];
      mark.style.left = `${x}px`;
      mark.style.top = `${y}px`;
      const [px, py] = points[i].map(Math.round);
      mark.setAttribute('aria-label', `End ${i + 1} of the ruler, at x ${px}, y ${py} of ${photo.width} by ${photo.height} pixels. Arrow keys move it.`);
    });
    for (const line of lines)
      for (const [name, value] of Object.entries({x1: ax, y1: ay, x2: bx, y2: by})) line.setAttribute(name, value);
  }

  function move(i, x, y) {
    points[i] = [Math.min(Math.max(x, 0), photo.width), Math.min(Math.max(y, 0), photo.height)];
    place();
    changed();
  }

  marks.forEach((mark, i) => {
    let grip = null;
    mark.addEventListener('pointerdown', (event) => {
      mark.setPointerCapture(event.pointerId);
      const [x, y] = stage.toPhoto(event.clientX, event.clientY);
      grip = [points[i][0] - x, points[i][1] - y];
    });
    mark.addEventListener('pointermove', (event) => {
      if (!grip) return;
      const [x, y] = stage.toPhoto(event.clientX, event.clientY);
      move(i, x + grip[0], y + grip[1]);
    });
    for (const name of ['pointerup', 'pointercancel']) mark.addEventListener(name, () => { grip = null; });
    mark.addEventListener('keydown', (event) => {
      const way = KEYS[event.key];
      if (!way) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      move(i, points[i][0] + far * way[0], points[i][1] + far * way[1]);
    });
  });
  length.addEventListener('input', () => {
    lengthMm = length.value === '' ? null : Number(length.value);
    changed();
  });

  return {
    place,
    /** Another photo: its scale is another one, so the ruler is gone. */
    reset(shown) {
      [photo, points, lengthMm] = [shown, null, null];
      length.value = '';
      place();
    },
    toggle(on) {
      points = on ? [[0.2, 0.9], [0.8, 0.9]].map(([x, y]) => [x * photo.width, y * photo.height]) : null;
      place();
      changed();
    },
    value() {
      if (!points) return null;
      const [[ax, ay], [bx, by]] = points;
      return {ax, ay, bx, by, lengthMm};
    },
  };
}
