// The part "Runs": the runs of the folders that the program was started with, refreshed while they train.

import { getJson } from "./api.js";
import { chart } from "./chart.js";
import { field, h, menu, number, percent, slot } from "./dom.js";

/** Milliseconds between two requests for the runs. */
const REFRESH = 2000;

const view = {};
const chosen = { run: null, other: null, picture: null };
let runs = [];
let seen = "";
let timer;

export async function start() {
  runs = await getJson("/api/runs");
  view.list = h("ul", { class: "runs" });
  view.other = h("div", {});
  view.head = h("div", {});
  view.charts = h("div", {});
  view.samples = h("div", {});
  view.tables = h("div", {});
  view.error = h("p", { class: "error", role: "alert", hidden: true });
  slot("runs", "panel").append(h("h3", {}, "Runs"), view.list, view.other);
  slot("runs", "stage").append(view.error, view.head, view.charts, view.samples, view.tables);
  await enter();
}

export async function enter() {
  clearTimeout(timer);
  await refresh();
  const again = async () => {
    if (!document.hidden) await refresh();
    if (timer !== null) timer = setTimeout(again, REFRESH);
  };
  timer = setTimeout(again, REFRESH);
}

export function leave() {
  clearTimeout(timer);
  timer = null;
}

async function refresh() {
  try {
    runs = await getJson("/api/runs");
    view.error.hidden = true;
  } catch (error) {
    view.error.textContent = error.message;
    view.error.hidden = false;
    return;
  }
  // Ages change every second and are not shown. Nothing is drawn again unless something else has changed.
  const now = JSON.stringify([runs, chosen], (key, value) => (key === "age_s" ? undefined : value));
  if (now === seen) return;
  seen = now;
  const isKnown = (id) => runs.some((run) => run.id === id);
  if (!isKnown(chosen.run)) chosen.run = (runs.find(({ summary }) => summary.state === "running") ?? runs[0])?.id ?? null;
  if (!isKnown(chosen.other)) chosen.other = null;
  list();
  if (chosen.run) await show();
  else {
    view.head.replaceChildren(
      h("h2", {}, "No runs yet"),
      h("p", { class: "note" }, "Train a model with ", h("code", {}, "dm train data/configs/minute.toml"),
        ", or name a folder with runs: ", h("code", {}, "dm serve --run DIR"), "."));
  }
}

function choose(id) {
  Object.assign(chosen, { run: id, other: chosen.other === id ? null : chosen.other, picture: null });
  seen = "";
  refresh();
}

function list() {
  const entry = ({ id, summary }) => {
    const meta = [
      summary.epochs ? `epoch ${number(Math.floor(10 * (summary.epoch ?? 0)) / 10)} of ${summary.epochs}` : null,
      summary.val_loss !== null ? `loss ${number(summary.val_loss)}` : null,
      summary.fd !== null ? `FD ${number(summary.fd)}` : null,
    ].filter(Boolean);
    return h("li", {}, h("button", { type: "button", "aria-current": String(id === chosen.run), click: () => choose(id) },
      h("span", { class: "name" }, summary.run), h("span", { class: `state ${summary.state}` }, summary.state),
      h("span", { class: "meta" }, meta.join(" · ") || summary.reason || "nothing measured yet")));
  };
  const focused = view.list.contains(document.activeElement) ? [...view.list.querySelectorAll("button")].indexOf(document.activeElement) : -1;
  view.list.replaceChildren(...runs.map(entry));
  if (focused >= 0) view.list.querySelectorAll("button")[focused]?.focus();
  const others = runs.filter(({ id }) => id !== chosen.run);
  const select = menu([{ value: "", label: "no other run" }, ...others.map(({ id, summary }) => ({ value: id, label: summary.run }))], (id) => {
    chosen.other = id || null;
    seen = "";
    refresh();
  });
  select.value = chosen.other ?? "";
  if (document.activeElement?.closest("[data-slot=panel]")?.contains(view.other) && document.activeElement.tagName === "SELECT") return;
  view.other.replaceChildren(others.length > 0 ? field("Compare with", select) : "");
}

async function show() {
  const [run, comparison] = await Promise.all([
    getJson(`/api/runs/${chosen.run}`),
    chosen.other ? getJson(`/api/runs/${chosen.run}/compare/${chosen.other}`).catch((error) => ({ failed: error.message })) : null,
  ]);
  const other = comparison && !comparison.failed ? comparison.b : null;
  const names = other ? [`A: ${run.summary.run}`, `B: ${other.run}`] : [run.summary.run];
  view.head.replaceChildren(h("h2", {}, names[0], other ? h("span", { class: "note" }, ` and ${names[1]}`) : ""), facts(run.summary));
  view.charts.replaceChildren(...charts(run.curves, other?.curves));
  samples(run);
  view.tables.replaceChildren(...(comparison ? differences(comparison) : []), ...scores(run.scores));
}

function facts(summary) {
  const speed = summary.images_per_s ? `${number(summary.images_per_s)} images/s` : null;
  const minutes = summary.wall_s >= 60 ? `${number(Math.round(summary.wall_s / 6) / 10)} min` : `${number(Math.round(summary.wall_s ?? 0))} s`;
  const entries = [
    ["state", summary.state],
    ["epochs", summary.epochs ? `${number(Math.floor(10 * (summary.epoch ?? 0)) / 10)} of ${summary.epochs}` : null],
    ["training loss", summary.train_loss === null ? null : number(summary.train_loss)],
    ["validation loss", summary.val_loss === null ? null : number(summary.val_loss)],
    ["accuracy", summary.test_accuracy ? percent(summary.test_accuracy) : null],
    ["Fréchet distance", summary.fd === null ? null : number(summary.fd)],
    ["training time", summary.wall_s === null ? null : minutes],
    ["speed", speed],
    ["parameters", summary.parameters === null ? null : new Intl.NumberFormat("en").format(summary.parameters)],
  ];
  const known = entries.filter(([, value]) => value !== null && value !== undefined);
  return h("dl", { class: "facts" }, known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function charts(a, b) {
  const all = [["loss", "train_loss", "val_loss"], ["accuracy", null, "test_accuracy"], ["Fréchet distance", null, "fd"]];
  return all.flatMap(([title, thin, thick]) => {
    const series = [[a, "a", "A"], [b, "b", "B"]].flatMap(([curves, className, name]) => {
      if (!curves) return [];
      const one = (key, label, style) => (key && curves[key]?.length ? [{ name: `${b ? `${name}, ` : ""}${label}`, points: curves[key], className: `${className} ${style}` }] : []);
      return [...one(thin, "training", "thin"), ...one(thick, thin ? "validation" : title, "")];
    });
    if (series.length === 0) return [];
    const legend = series.map(({ name, className }) => h("span", {}, h("span", { class: `key ${className.startsWith("a") ? "estimate" : "second"}` }), ` ${name}${className.includes("thin") ? " (thin)" : ""}  `));
    return [h("figure", {}, h("figcaption", {}, h("b", {}, title), " over the epochs  ", legend), chart(series, { x: "epochs", y: title, width: Math.min(Math.max(view.charts.clientWidth, 320), 640) }))];
  });
}

function samples(run) {
  const pictures = [...run.pictures.map((epoch) => ({ name: String(epoch), label: `after epoch ${epoch}` })), ...(run.has_grid ? [{ name: "grid", label: "of the finished model" }] : [])];
  if (pictures.length === 0) {
    view.samples.replaceChildren();
    return;
  }
  const at = pictures.findIndex(({ name }) => name === chosen.picture);
  const image = h("img", { alt: "" });
  const output = h("output", {});
  const set = (i) => {
    output.textContent = pictures[i].label;
    image.alt = `samples ${pictures[i].label}`;
    // A training run writes a picture again when it is resumed: the progress makes the address new.
    image.src = `/api/runs/${run.id}/pictures/${pictures[i].name}?step=${run.summary.step}`;
  };
  const slider = h("input", { type: "range", min: 0, max: pictures.length - 1, value: at < 0 ? pictures.length - 1 : at, "aria-label": "epoch of the samples" });
  slider.addEventListener("input", () => {
    chosen.picture = pictures[slider.value].name;
    set(Number(slider.value));
  });
  set(Number(slider.value));
  view.samples.replaceChildren(
    h("h2", {}, "Samples"),
    pictures.length > 1 ? h("div", { class: "scrubber of-samples" }, slider, output) : h("p", { class: "note" }, output),
    h("div", { class: "tile picture" }, image));
}

function differences(comparison) {
  if (comparison.failed) return [h("p", { class: "error" }, comparison.failed)];
  const text = (value) => (value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value));
  const rows = comparison.config.map(({ key, a, b }) => h("tr", {}, h("td", {}, key), h("td", {}, text(a)), h("td", {}, text(b))));
  const results = [["validation loss", "val_loss"], ["training loss", "train_loss"], ["Fréchet distance", "fd"], ["images per second", "images_per_s"], ["parameters", "parameters"]]
    .filter(([, key]) => comparison.a[key] !== null || comparison.b[key] !== null)
    .map(([name, key]) => h("tr", {}, h("td", {}, name), h("td", {}, number(comparison.a[key])), h("td", {}, number(comparison.b[key]))));
  const head = (name) => h("tr", {}, h("th", {}, name), h("th", {}, "A"), h("th", {}, "B"));
  return [
    h("h2", {}, "How the runs differ"),
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head("result")), h("tbody", {}, results))),
    rows.length === 0 ? h("p", { class: "note" }, "The configs are the same.")
      : h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head("config")), h("tbody", {}, rows))),
  ];
}

function scores(rows) {
  if (rows.length === 0) return [];
  const interval = (row) => (row.interval ? `${number(row.value)} (${number(row.interval[0])} to ${number(row.interval[1])})` : number(row.value));
  const better = { lower: "lower is better", higher: "higher is better" };
  const line = (row) => h("tr", {}, h("td", {}, row.name, h("div", { class: "note" }, better[row.direction] ?? "")), h("td", { class: "number" }, interval(row)), h("td", { class: "number" }, number(row.real)));
  return [
    h("h2", {}, "Scores of the finished model"),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "metric"), h("th", { class: "number" }, "samples"), h("th", { class: "number" }, "real images"))),
      h("tbody", {}, rows.map(line)))),
  ];
}
