// Drawing images as whole pixels.

/** Draws images [n, C, H, W] in `data` as a grid with `columns` columns and `gap` pixels between them. */
export function drawGrid(canvas, data, shape, columns, gap = 0) {
  const { channels, height, width } = shape;
  const size = channels * height * width;
  const count = Math.floor(data.length / size);
  const rows = Math.ceil(count / columns);
  const [w, hgt] = [columns * (width + gap) - gap, rows * (height + gap) - gap];
  if (canvas.width !== w || canvas.height !== hgt) Object.assign(canvas, { width: w, height: hgt });
  const context = canvas.getContext("2d");
  const page = context.createImageData(w, hgt);
  const plane = height * width;
  for (let i = 0; i < count; i += 1) {
    const top = Math.floor(i / columns) * (height + gap);
    const left = (i % columns) * (width + gap);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const from = i * size + y * width + x;
        const to = 4 * ((top + y) * w + left + x);
        for (let c = 0; c < 3; c += 1) page.data[to + c] = data[from + (channels === 3 ? c * plane : 0)];
        page.data[to + 3] = 255;
      }
    }
  }
  context.putImageData(page, 0, 0);
}

/** Keeps `canvas` as large as `room` allows at a whole number of screen pixels per image pixel, at most `most`. */
export function keepWhole(canvas, room, most = 24) {
  const fit = () => {
    const ratio = window.devicePixelRatio || 1;
    const zoom = Math.floor((room.clientWidth * ratio) / canvas.width);
    const scale = Math.min(Math.max(zoom, 1) / ratio, most);
    canvas.style.width = `${canvas.width * scale}px`;
    canvas.style.height = `${canvas.height * scale}px`;
  };
  new ResizeObserver(fit).observe(room);
  fit();
  return fit;
}

/** The columns of a grid of `count` images that is about as wide as high. */
export const columnsOf = (count) => Math.ceil(Math.sqrt(count));
