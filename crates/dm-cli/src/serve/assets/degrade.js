// The part "Degrade": an image on its way to the prior, a model's estimates of it, and the classifier's opinions.

import { base64, bytes, getJson, postJson } from "./api.js";
import { choice, debounce, field, h, menu, numberField, percent, slot } from "./dom.js";
import { Pad } from "./pad.js";
import { parameterFields } from "./parameters.js";
import { drawGrid, keepWhole } from "./pixels.js";

/** Test images to choose from. */
const CHOICES = 20;
/** Where the slider stands at first, as a share of the way to T. */
const FIRST = 0.6;
/** Milliseconds per timestep while playing. */
const FRAME = 80;

const state = { source: "test", test: 0, seed: 1, config: null, model: null, answer: null, at: FIRST };
const view = {};
let about;
let pending;

export async function start(known) {
  about = known;
  const models = await getJson("/api/models");
  buildStage();
  buildPanel(models);
  await chooseModel(models.find((model) => model.id === "ink-unet")?.id ?? models[0]?.id);
}

export function leave() {
  stop();
}

// ---- what is shown -------------------------------------------------------------------------------------------------

function buildStage() {
  const picture = (label) => {
    const canvas = h("canvas", { role: "img", "aria-label": label });
    const tile = h("div", { class: "tile" }, canvas);
    return { canvas, tile };
  };
  view.state = picture("the degraded image");
  view.estimate = picture("the model's estimate of the image");
  view.none = h("div", { class: "placeholder" }, "");
  view.estimate.tile.append(view.none);
  view.bars = about.classes.map((name) => {
    const [ofState, ofEstimate] = [h("i", {}), h("i", { class: "estimate" })];
    const row = h("div", {}, h("dt", {}, name), h("dd", {}, ofState, ofEstimate));
    return { row, ofState, ofEstimate };
  });
  view.verdict = h("p", { class: "status", role: "status" });
  view.slider = h("input", { type: "range", min: 0, max: 1, value: 0, "aria-label": "timestep t", input: () => { stop(); draw(); } });
  view.slider.addEventListener("input", () => { state.at = view.slider.value / view.slider.max; });
  view.output = h("output", {}, "");
  view.play = h("button", { class: "button square-button", type: "button", "aria-label": "play", click: play }, "▶");
  view.error = h("p", { class: "error", role: "alert", hidden: true });
  view.entry = h("dl", { class: "entry" });
  slot("degrade", "stage").append(
    h("div", { class: "triptych" },
      h("div", { class: "scrubber" }, view.play, view.slider, view.output),
      h("figure", {}, h("figcaption", {}, h("b", {}, h("var", {}, "x", h("sub", {}, "t"))), ", the degraded image"), view.state.tile),
      h("figure", {}, h("figcaption", {}, h("b", {}, "estimate"), " of ", h("var", {}, "x"), h("sub", {}, "0")), view.estimate.tile),
      h("figure", { class: "opinion", hidden: !about.has_classifier },
        h("figcaption", {}, h("b", {}, "classifier"), "  ", h("span", { class: "key" }), " ", h("var", {}, "x", h("sub", {}, "t")),
          "  ", h("span", { class: "key estimate" }), " estimate"),
        h("dl", { class: "bars" }, view.bars.map(({ row }) => row)))),
    view.verdict,
    view.error,
    view.entry);
  const blank = new Uint8Array(size());
  for (const { canvas, tile } of [view.state, view.estimate]) {
    drawGrid(canvas, blank, shape(), 1);
    keepWhole(canvas, tile);
  }
}

function draw() {
  const { answer } = state;
  if (!answer) return;
  const last = answer.timesteps.length - 1;
  const i = Math.min(Number(view.slider.value), last);
  const part = (data) => data.subarray(i * size(), (i + 1) * size());
  drawGrid(view.state.canvas, part(answer.states), shape(), 1);
  view.estimate.canvas.hidden = !answer.estimates;
  view.none.hidden = Boolean(answer.estimates);
  if (answer.estimates) drawGrid(view.estimate.canvas, part(answer.estimates), shape(), 1);
  else view.none.style.height = `${view.state.canvas.clientHeight}px`;
  view.output.textContent = `t = ${answer.timesteps[i]} of ${answer.timesteps[last]}`;
  view.slider.setAttribute("aria-valuetext", view.output.textContent);
  if (!answer.opinions) return;
  const [ofState, ofEstimate] = [answer.opinions[i], answer.estimate_opinions?.[i]];
  const top = best(ofEstimate ?? ofState);
  for (const [c, bar] of view.bars.entries()) {
    bar.ofState.style.setProperty("--share", ofState[c].toFixed(3));
    bar.ofEstimate.style.setProperty("--share", (ofEstimate?.[c] ?? 0).toFixed(3));
    bar.row.classList.toggle("top-class", c === top);
  }
  const reads = (opinion) => `${about.classes[best(opinion)]} (${percent(Math.max(...opinion))})`;
  view.verdict.textContent = `The classifier takes the degraded image for ${reads(ofState)}`
    + (ofEstimate ? `, the estimate for ${reads(ofEstimate)}.` : ".");
}

const best = (opinion) => opinion.indexOf(Math.max(...opinion));
const shape = () => about.test_images.shape;
const size = () => shape().channels * shape().height * shape().width;

function play() {
  if (view.timer) return stop();
  if (Number(view.slider.value) >= Number(view.slider.max)) view.slider.value = 0;
  view.play.textContent = "❚❚";
  view.play.setAttribute("aria-label", "pause");
  view.timer = setInterval(() => {
    view.slider.value = Number(view.slider.value) + 1;
    state.at = view.slider.value / view.slider.max;
    draw();
    if (Number(view.slider.value) >= Number(view.slider.max)) stop();
  }, FRAME);
  return undefined;
}

function stop() {
  clearInterval(view.timer);
  view.timer = undefined;
  if (!view.play) return;
  view.play.textContent = "▶";
  view.play.setAttribute("aria-label", "play");
}

// ---- what is chosen ------------------------------------------------------------------------------------------------

function buildPanel(models) {
  const pixels = bytes(about.test_images.images);
  view.test = Array.from({ length: CHOICES }, (_, i) => pixels.subarray(i * size(), (i + 1) * size()));
  const thumbs = view.test.map((image, i) => {
    const canvas = h("canvas", {});
    drawGrid(canvas, image, shape(), 1);
    const radio = h("input", {
      type: "radio", name: "test-image", checked: i === 0,
      "aria-label": `test image ${i}, a ${about.classes[about.test_images.labels[i]]}`,
      change: () => { state.test = i; ask(); },
    });
    return h("label", {}, radio, canvas);
  });
  view.pad = new Pad(shape(), () => askSoon());
  const gallery = h("div", { class: "thumbs", role: "radiogroup", "aria-label": "test image" }, thumbs);
  const easel = h("div", { hidden: true }, h("div", { class: "pad-frame" }, view.pad.canvas),
    h("div", { class: "row" },
      h("p", { class: "note" }, "Draw with the mouse, a finger, or arrow keys and space."),
      h("button", { class: "button", type: "button", click: () => view.pad.clear() }, "Clear")));
  const source = choice("source", "Image", [{ value: "test", label: "test image" }, { value: "pad", label: "draw one" }], "test", (value) => {
    state.source = value;
    gallery.hidden = value !== "test";
    easel.hidden = value !== "pad";
    ask();
  });
  const named = (isRun) => models.filter((model) => model.is_run === isRun).map(({ id, name }) => ({ value: `model ${id}`, label: name }));
  const groups = [
    { group: "models, with their estimates", options: named(false) },
    { group: "models of runs", options: named(true) },
    { group: "degradations without a model", options: about.degradations.map(({ entry }) => ({ value: `kind ${entry.name}`, label: entry.name })) },
  ];
  view.process = menu(groups.filter(({ options }) => options.length > 0), (value) => {
    const [kind, name] = [value.slice(0, value.indexOf(" ")), value.slice(value.indexOf(" ") + 1)];
    if (kind === "model") chooseModel(name);
    else chooseDegradation(name);
  });
  view.summary = h("p", { class: "note summary" });
  view.parameters = h("fieldset", {});
  const seed = numberField("Noise seed", state.seed, { min: 0, max: Number.MAX_SAFE_INTEGER, changed: (value) => { state.seed = value; askSoon(); } });
  const next = h("button", { class: "button", type: "button", click: () => { state.seed += 1; seed.input.value = state.seed; ask(); } }, "New noise");
  slot("degrade", "panel").append(
    source, gallery, easel,
    h("div", {}, field("Degradation", view.process), view.summary),
    h("details", {}, h("summary", {}, "Parameters"), view.parameters),
    h("div", { class: "pair ends-below" }, seed.element, next));
}

async function chooseModel(id) {
  if (!id) return chooseDegradation(about.degradations[0].entry.name);
  try {
    const model = await getJson(`/api/models/${encodeURIComponent(id)}`);
    view.process.value = `model ${id}`;
    state.model = { id, degradation: model.degradation };
    setConfig(model.degradation);
  } catch (error) {
    fail(error);
  }
  return undefined;
}

function chooseDegradation(name) {
  state.model = null;
  setConfig(about.degradations.find(({ entry }) => entry.name === name).config);
}

function setConfig(config) {
  state.config = structuredClone(config);
  buildParameters();
  ask();
}

function buildParameters() {
  const degradation = about.degradations.find(({ entry }) => entry.name === state.config.kind);
  view.summary.textContent = `${degradation.entry.name}: ${degradation.entry.summary}.`;
  const facts = [["state", "formula"], ["noise", "noise"], ["prior", "prior"], ["inverse", "inverse"], ["source", "source"]];
  view.entry.replaceChildren(...facts.map(([name, key]) => h("div", {}, h("dt", {}, name), h("dd", {}, degradation.entry[key]))));
  view.parameters.replaceChildren(...parameterFields(degradation, state.config, askSoon, buildParameters));
}

// ---- asking --------------------------------------------------------------------------------------------------------

const askSoon = debounce(() => ask(), 120);

async function ask() {
  pending?.abort();
  pending = new AbortController();
  // A model is asked only about the degradation that it was trained with.
  const fits = state.model && JSON.stringify(state.model.degradation) === JSON.stringify(state.config);
  const image = state.source === "pad" ? view.pad.pixels : view.test[state.test];
  const body = { image: base64(image), degradation: state.config, model: fits ? state.model.id : null, seed: state.seed };
  try {
    const answer = await postJson("/api/degrade", body, pending.signal);
    answer.states = bytes(answer.states);
    answer.estimates &&= bytes(answer.estimates);
    state.answer = answer;
    view.error.hidden = true;
    view.none.textContent = state.model
      ? "No estimate: the model was trained with other parameters."
      : `No estimate: no model of “${state.config.kind}” is chosen.`;
    view.slider.max = answer.timesteps.length - 1;
    if (!view.timer) view.slider.value = Math.round(state.at * view.slider.max);
    draw();
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  if (error.name === "AbortError") return;
  view.error.textContent = error.message;
  view.error.hidden = false;
}
