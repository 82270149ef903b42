// A pad for drawing an image with the mouse, a finger or the keyboard.

import { h } from "./dom.js";
import { drawGrid } from "./pixels.js";

/** Radius of the pen in pixels, as wide as the strokes of the test images. */
const PEN = 1.5;

export class Pad {
  /** A pad for grey images of `shape`; `changed` is called after every stroke. */
  constructor(shape, changed) {
    Object.assign(this, { shape, changed, cursor: null });
    this.pixels = new Uint8Array(shape.height * shape.width);
    this.canvas = h("canvas", {
      class: "pad", tabindex: 0, role: "application",
      "aria-label": "Drawing pad. Arrow keys move the pen, the space bar draws, Delete clears.",
      pointerdown: (event) => this.down(event),
      pointermove: (event) => this.move(event),
      keydown: (event) => this.key(event),
      blur: () => { this.cursor = null; this.show(); },
    });
    this.show();
  }

  clear() {
    this.pixels.fill(0);
    this.show();
    this.changed();
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.place(event);
    this.stroke(this.last, this.last);
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.cursor = null;
  }

  move(event) {
    if (!(event.buttons & 1)) return;
    const here = this.place(event);
    this.stroke(this.last ?? here, here);
    this.last = here;
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { height, width } = this.shape;
    this.cursor ??= [width / 2, height / 2];
    if (event.key in steps) {
      const [dx, dy] = steps[event.key];
      const from = this.cursor;
      this.cursor = [Math.min(Math.max(from[0] + dx, 0), width - 1), Math.min(Math.max(from[1] + dy, 0), height - 1)];
      if (event.shiftKey) this.stroke(from, this.cursor);
    } else if (event.key === " ") this.stroke(this.cursor, this.cursor);
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
    this.show();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.shape.width - 0.5,
      ((event.clientY - box.top) / box.height) * this.shape.height - 0.5,
    ];
  }

  /** Draws a line with soft edges. */
  stroke([x0, y0], [x1, y1]) {
    const { height, width } = this.shape;
    const [dx, dy] = [x1 - x0, y1 - y0];
    const squared = dx * dx + dy * dy;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const along = squared === 0 ? 0 : Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / squared, 0), 1);
        const distance = Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
        const value = Math.round(255 * Math.min(Math.max(PEN + 0.5 - distance, 0), 1));
        const at = y * width + x;
        this.pixels[at] = Math.max(this.pixels[at], value);
      }
    }
    this.show();
    this.changed();
  }

  show() {
    const seen = this.pixels.slice();
    if (this.cursor) {
      const at = Math.round(this.cursor[1]) * this.shape.width + Math.round(this.cursor[0]);
      seen[at] = seen[at] > 127 ? 90 : 165;
    }
    drawGrid(this.canvas, seen, { ...this.shape, channels: 1 }, 1);
  }
}
