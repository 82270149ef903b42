// The part "Sample": new images, shown while they are computed.

import { bytes, getJson, postForFile, save, stream } from "./api.js";
import { choice, field, h, menu, numberField, slot } from "./dom.js";
import { Film } from "./film.js";
import { columnsOf } from "./pixels.js";

const COUNTS = [1, 4, 16, 36, 64];
/** Network evaluations that are asked for at first: enough for good digits, and quick. */
const NFE = 20;

const order = { model: "", count: 16, seed: 1, nfe: NFE, sampler: null, spacing: null, class: null, guidance: null };
const view = {};
let model;
let running;
let done = null;

export async function start(about) {
  const models = await getJson("/api/models");
  buildStage();
  buildPanel(models, about);
  await chooseModel(models.find(({ id }) => id === "ink-unet")?.id ?? models[0]?.id);
  draw();
}

/** A hidden page computes nothing. */
export function leave() {
  running?.abort();
  view.film?.stop();
}

function buildStage() {
  view.film = new Film((frame) => `t = ${frame.t}`);
  view.status = h("p", { class: "status", role: "status" });
  view.error = h("p", { class: "error", role: "alert", hidden: true });
  const file = (kind, label) => h("button", { class: "button", type: "button", disabled: true, click: () => download(kind) }, label);
  view.files = [file("png", "PNG"), file("gif", "GIF film"), file("safetensors", "safetensors")];
  slot("sample", "stage").append(
    view.film.tile, view.film.controls, view.status, view.error,
    h("div", { class: "row" }, h("span", { class: "note" }, "Download"), view.files));
  view.film.canvas.setAttribute("aria-label", "samples");
  view.film.begin({ channels: 1, height: 28, width: 28 }, order.count, columnsOf(order.count));
}

function buildPanel(models, about) {
  const named = (isRun) => models.filter((one) => one.is_run === isRun).map(({ id, name }) => ({ value: id, label: name }));
  const groups = [{ group: "shipped", options: named(false) }, { group: "runs", options: named(true) }];
  view.model = menu(groups.filter(({ options }) => options.length > 0), chooseModel);
  view.about = h("p", { class: "note summary" });
  const seed = numberField("Seed", order.seed, { min: 0, max: Number.MAX_SAFE_INTEGER, changed: (value) => { order.seed = value; } });
  view.nfe = numberField("Evaluations", NFE, { min: 1, max: about.limits.nfe, changed: (value) => { order.nfe = value; } });
  view.samplerField = h("div", {});
  view.spacing = menu(
    [{ value: "", label: "as in the model's config" }, { value: "uniform", label: "uniform" }, { value: "power:1.5", label: "denser near T" }, { value: "cosine", label: "denser in the middle" }],
    (value) => { order.spacing = value || null; });
  view.classes = h("div", { class: "pair", hidden: true });
  const next = () => { order.seed += 1; seed.input.value = order.seed; draw(); };
  view.button = h("button", { class: "button primary", type: "submit" }, "Sample");
  const form = h("form", { class: "panel-form", submit: (event) => { event.preventDefault(); draw(); } },
    h("fieldset", {},
      h("div", {}, field("Model", view.model), view.about),
      choice("count", "Images", COUNTS.map((count) => ({ value: count, label: String(count) })), order.count, (count) => { order.count = count; draw(); }),
      h("div", { class: "pair" }, seed.element, view.nfe.element),
      view.samplerField,
      field("Timesteps", view.spacing),
      view.classes,
      h("div", { class: "pair" }, view.button, h("button", { class: "button", type: "button", click: next }, "Next seed"))));
  slot("sample", "panel").append(form);
}

async function chooseModel(id) {
  if (!id) return;
  try {
    model = await getJson(`/api/models/${encodeURIComponent(id)}`);
  } catch (error) {
    fail(error);
    return;
  }
  view.model.value = id;
  Object.assign(order, { model: id, sampler: null, class: null, guidance: null });
  const millions = (model.parameters / 1e6).toFixed(2);
  view.about.textContent = `${model.degradation.kind}, ${millions} million parameters, T = ${model.timesteps}`;
  const own = model.sampling.sampler;
  const note = h("small", {});
  const describe = (name) => { note.textContent = model.samplers.find((one) => one.name === name)?.summary ?? ""; };
  const samplers = menu(model.samplers.map(({ name }) => ({ value: name, label: name })), (name) => {
    order.sampler = name;
    describe(name);
    setNfe();
  });
  samplers.value = own;
  describe(own);
  const wrapped = field("Sampler", samplers);
  wrapped.append(note);
  view.samplerField.replaceChildren(wrapped);
  setNfe();
  view.classes.hidden = model.classes.length === 0;
  if (model.classes.length > 0) {
    const options = [{ value: "", label: "any" }, { value: "all", label: "all in turn" }, ...model.classes.map((name) => ({ value: name, label: name }))];
    const guidance = numberField("Guidance", 1, { min: 0, max: 20, step: "any", changed: (value) => { order.guidance = value; } });
    const select = menu(options, (name) => {
      order.class = name || null;
      order.guidance = name ? Number(guidance.input.value) : null;
    });
    view.classes.replaceChildren(field("Class", select), guidance.element);
  }
}

/** Some samplers visit every timestep. */
function setNfe() {
  const name = order.sampler ?? model.sampling.sampler;
  const every = model.samplers.find((one) => one.name === name)?.every_timestep;
  order.nfe = every ? model.timesteps : Math.min(NFE, model.timesteps);
  view.nfe.input.value = order.nfe;
  view.nfe.input.disabled = Boolean(every);
  view.spacing.disabled = Boolean(every);
  if (every) order.spacing = null;
}

async function draw() {
  running?.abort();
  const own = new AbortController();
  running = own;
  done = null;
  for (const button of view.files) button.disabled = true;
  view.error.hidden = true;
  view.film.begin(model.shape, order.count, columnsOf(order.count));
  view.status.textContent = "Waiting for a free core …";
  const asked = structuredClone(order);
  const clock = performance.now();
  try {
    await stream("/api/sample", asked, (name, data) => {
      if (running !== own) return;
      if (name === "frame") {
        view.film.add({ t: data.t, images: bytes(data.images) }, data.frames);
        view.status.textContent = `Step ${data.frame} of ${data.frames - 1}`;
      } else if (name === "done") {
        view.film.finish(bytes(data.images));
        done = asked;
        for (const button of view.files) button.disabled = false;
        const seconds = ((performance.now() - clock) / 1000).toFixed(1);
        const images = asked.count === 1 ? "1 image" : `${asked.count} images`;
        view.status.textContent = `${images}, ${data.nfe} network evaluations each, sampler ${data.sampler}, seed ${asked.seed}: ${seconds} s`;
      } else throw new Error(data.error);
    }, own.signal);
    if (running === own && !done && view.error.hidden) throw new Error("The stream of images has ended too early.");
  } catch (error) {
    if (running === own) fail(error);
  }
}

async function download(kind) {
  if (!done) return;
  try {
    save(await postForFile(`/api/sample/${kind}`, done), `${model.name}-seed-${done.seed}.${kind}`);
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  if (error.name === "AbortError") return;
  view.status.textContent = "";
  view.error.textContent = error.message;
  view.error.hidden = false;
}
