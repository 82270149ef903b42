// The part "Hot and cold": Ink at several temperatures.

import { base64, bytes, getJson, postJson, stream } from "./api.js";
import { chart } from "./chart.js";
import { debounce, h, number, percent, slot } from "./dom.js";
import { Film } from "./film.js";
import { columnsOf, drawGrid, keepWhole } from "./pixels.js";

/** Test images whose way to the prior is shown, and timesteps of the way as shares of T. */
const DIGITS = 4;
const SHARES = [0, 0.25, 0.5, 0.75, 1];
/** The seed of the live samples, which are the same at every visit. */
const SEED = 1;
/** The number of live samples, which the server chooses (LIVE in temperature.rs). */
const LIVE = 16;
/** Where blur, whose density is infinite, stands on the axis of densities: to the right of all others. */
const BLUR = 2400;

const view = {};
let study;
let about;
let pending;
let running;

export async function start(known) {
  about = known;
  study = await getJson("/api/temperature");
  build();
  view.slider.value = study.findIndex(({ run }) => run === "ink");
  show();
}

export function enter() {
  show();
}

/** A hidden page computes nothing. */
export function leave() {
  running?.abort();
  pending?.abort();
  view.film?.stop();
}

function build() {
  view.slider = h("input", { type: "range", class: "temperature", min: 0, max: study.length - 1, "aria-label": "temperature, from hot to cold", input: show });
  view.name = h("output", {});
  view.forward = h("canvas", { role: "img" });
  view.forwardTile = h("div", { class: "tile" }, view.forward);
  view.image = h("img", { width: 604, height: 604, alt: "" });
  view.verdict = h("p", { class: "note" });
  view.chart = h("div", {});
  view.film = new Film((frame) => `t = ${frame.t}`);
  view.film.canvas.setAttribute("aria-label", "live samples");
  view.status = h("p", { class: "status", role: "status" });
  view.error = h("p", { class: "error", role: "alert", hidden: true });
  slot("temperature", "wide").append(
    h("div", { class: "scale" }, view.name, view.slider,
      h("div", { class: "ends" }, h("span", { class: "hot" }, "hot: few grains"), h("span", { class: "cold" }, "cold: many grains"))),
    view.error,
    h("div", { class: "columns" },
      h("div", {},
        h("h2", {}, "Samples"),
        h("p", { class: "note caption" }, "Recorded: 100 samples, seed 1, none selected, of a model that was trained at this temperature for one epoch."),
        h("div", { class: "tile picture" }, view.image)),
      h("div", {},
        h("h2", {}, "Samples, live"),
        h("p", { class: "note caption" }, "The shipped model, which was trained with one grain per pixel at ", h("var", {}, "T"),
          ", in a process of the chosen temperature. The seed is fixed."),
        h("div", { class: "film" }, view.film.tile, view.film.controls, view.status))),
    h("div", { class: "columns" },
      h("div", {},
        h("h2", {}, "Convincing, or various?"),
        view.verdict,
        view.chart),
      h("div", {},
        h("h2", {}, "The way to the prior"),
        h("p", { class: "note caption" }, "Test images at ", h("var", {}, "t"), " = 0, ¼, ½, ¾ and 1 of ", h("var", {}, "T"), ", computed now."),
        view.forwardTile)));
  const shape = about.test_images.shape;
  drawGrid(view.forward, new Uint8Array(DIGITS * SHARES.length * shape.height * shape.width), { ...shape, channels: 1 }, SHARES.length, 2);
  keepWhole(view.forward, view.forwardTile, 5);
  view.film.begin(shape, LIVE, columnsOf(LIVE));
}

function show() {
  const point = study[view.slider.value];
  view.name.textContent = title(point);
  view.slider.setAttribute("aria-valuetext", view.name.textContent);
  view.image.src = `/assets/temperature/${point.run}.png`;
  view.image.alt = `100 samples at ${title(point)}`;
  view.verdict.textContent = `${percent(point.precision)} of the samples look like real digits (precision), and they cover `
    + `${percent(point.recall)} of the real digits (recall). Fréchet distance: ${number(Math.round(point.frechet_distance))} ± ${number(Math.round(point.frechet_half))}.`;
  const finite = study.filter(({ density }) => density !== null);
  const place = ({ density }) => density ?? BLUR;
  const series = [
    { name: "precision", points: [...finite, study.at(-1)].map((one) => [place(one), one.precision]), className: "a" },
    { name: "recall", points: [...finite, study.at(-1)].map((one) => [place(one), one.recall]), className: "b" },
  ];
  view.chart.replaceChildren(
    h("p", { class: "note" }, h("span", { class: "key estimate" }), " precision  ", h("span", { class: "key second" }), " recall"),
    chart(series, { x: "grains per pixel at T; blur at the right end", y: "share", marker: place(point), logX: true, linear: Infinity, range: [0, 1], width: Math.min(Math.max(view.chart.clientWidth, 320), 560) }));
  running?.abort();
  forwardSoon();
  liveSoon();
}

function title({ density }) {
  if (density === null) return "infinitely many grains: blur";
  const grains = density === 0.25 ? "a quarter of a grain" : density === 1 ? "one grain" : `${density} grains`;
  return `${grains} per pixel at T`;
}

const forwardSoon = debounce(() => forward(), 60);
const liveSoon = debounce(() => live(), 250);

/** Computes the way to the prior of a few test images at the chosen temperature. */
async function forward() {
  pending?.abort();
  pending = new AbortController();
  const { density } = study[view.slider.value];
  const ink = about.degradations.find(({ entry }) => entry.name === "ink").config;
  const { timesteps, sigma_min, sigma_max } = ink;
  const degradation = density === null
    ? { kind: "blur", timesteps, kernel: { kind: "heat", sigma_min, sigma_max } }
    : { ...ink, density: Math.max(ink.density, density), density_end: density };
  const { shape, images } = about.test_images;
  const size = shape.channels * shape.height * shape.width;
  const all = bytes(images);
  try {
    const answers = await Promise.all(Array.from({ length: DIGITS }, (_, i) => {
      const image = base64(all.subarray(i * size, (i + 1) * size));
      return postJson("/api/degrade", { image, degradation, model: null, seed: SEED + i }, pending.signal);
    }));
    const grid = new Uint8Array(DIGITS * SHARES.length * size);
    answers.forEach((answer, row) => {
      const states = bytes(answer.states);
      SHARES.forEach((share, column) => {
        const at = Math.round(share * (answer.timesteps.length - 1));
        grid.set(states.subarray(at * size, (at + 1) * size), (row * SHARES.length + column) * size);
      });
    });
    drawGrid(view.forward, grid, shape, SHARES.length, 2);
    view.forward.setAttribute("aria-label", `test images on their way to the prior with ${title(study[view.slider.value])}`);
    view.error.hidden = true;
  } catch (error) {
    fail(error);
  }
}

async function live() {
  running?.abort();
  const own = new AbortController();
  running = own;
  const { density } = study[view.slider.value];
  view.film.begin(about.test_images.shape, LIVE, columnsOf(LIVE));
  if (density === null) {
    view.status.textContent = "Blur has no grains that the shipped model could read.";
    return;
  }
  view.status.textContent = "Waiting for a free core …";
  try {
    await stream("/api/temperature", { density, seed: SEED }, (name, data) => {
      if (running !== own) return;
      if (name === "frame") {
        view.film.add({ t: data.t, images: bytes(data.images) }, data.frames);
        view.status.textContent = `Step ${data.frame} of ${data.frames - 1}`;
      } else if (name === "done") {
        view.film.finish(bytes(data.images));
        view.status.textContent = `${LIVE} images in ${data.seconds.toFixed(1)} s`;
      } else throw new Error(data.error);
    }, own.signal);
  } catch (error) {
    if (running === own) fail(error);
  }
}

function fail(error) {
  if (error.name === "AbortError") return;
  view.status.textContent = "";
  view.error.textContent = error.message;
  view.error.hidden = false;
}
