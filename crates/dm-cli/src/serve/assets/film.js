// A film of images: frames that arrive while they are computed, a slider over time, and a play button.

import { h } from "./dom.js";
import { drawGrid, keepWhole } from "./pixels.js";

/** Milliseconds per frame. */
const FRAME = 70;

export class Film {
  /** `label` says what is shown at a frame. */
  constructor(label) {
    this.label = label;
    this.frames = [];
    this.canvas = h("canvas", { width: 1, height: 1, role: "img" });
    this.tile = h("div", { class: "tile" }, this.canvas);
    this.slider = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "time", input: () => this.scrub() });
    this.output = h("output", {}, "");
    this.button = h("button", { class: "button square-button", type: "button", click: () => this.toggle() });
    this.controls = h("div", { class: "scrubber" }, this.button, this.slider, this.output);
    this.fit = keepWhole(this.canvas, this.tile);
    this.stop();
  }

  /** Begins an empty film of `count` images, shown as dark tiles until the first frame arrives. */
  begin(shape, count, columns) {
    this.stop();
    Object.assign(this, { shape, columns, frames: [], followed: true });
    this.show(new Uint8Array(count * shape.channels * shape.height * shape.width));
    this.fit();
    Object.assign(this.slider, { max: 0, value: 0 });
    this.output.textContent = "";
  }

  /** Adds a frame; the film shows it unless the reader has moved the slider. */
  add(frame, total) {
    this.frames.push(frame);
    this.slider.max = total - 1;
    if (this.followed) this.go(this.frames.length - 1);
  }

  /** Replaces the images of the last frame. */
  finish(images) {
    if (this.frames.length > 0) this.frames[this.frames.length - 1].images = images;
    if (this.followed) this.go(this.frames.length - 1);
  }

  go(i) {
    const frame = this.frames[i];
    if (!frame) return;
    this.slider.value = i;
    this.output.textContent = this.label(frame);
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
    this.show(frame.images);
  }

  show(images) {
    drawGrid(this.canvas, images, this.shape, this.columns, 2);
  }

  scrub() {
    this.stop();
    this.followed = false;
    this.go(Math.min(Number(this.slider.value), this.frames.length - 1));
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.frames.length < 2) return undefined;
    let i = Number(this.slider.value);
    if (i >= this.frames.length - 1) i = -1;
    this.followed = false;
    this.timer = setInterval(() => {
      i += 1;
      this.go(i);
      if (i >= this.frames.length - 1) this.stop();
    }, FRAME);
    this.button.textContent = "❚❚";
    this.button.setAttribute("aria-label", "pause");
    return undefined;
  }

  stop() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.button.textContent = "▶";
    this.button.setAttribute("aria-label", "play");
  }
}
