// Charts of lines.

import { number, svg } from "./dom.js";

const SIZE = { height: 250, left: 56, right: 12, top: 14, bottom: 36 };

/**
 * A chart of `series`, each `{ name, points: [[x, y], ...], className }`. `x` and `y` name the axes. The vertical axis is
 * logarithmic if its values are positive and differ by more than a factor of `linear`; the horizontal one is with `logX`. `marker`
 * is an x at which a vertical line is drawn. `width` is the width in pixels at which the texts have their usual size, and `range`
 * is the range of the vertical axis if it is known.
 */
export function chart(series, { x, y, marker, logX = false, linear = 5, width = 640, range }) {
  const points = series.flatMap((one) => one.points).filter(([, value]) => Number.isFinite(value));
  const { height, left, right, top, bottom } = SIZE;
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img" });
  if (points.length === 0) return root;
  const extent = (i) => points.reduce(([a, b], p) => [Math.min(a, p[i]), Math.max(b, p[i])], [Infinity, -Infinity]);
  const ranges = [extent(0), range ?? extent(1)];
  const logY = ranges[1][0] > 0 && ranges[1][1] / ranges[1][0] > linear;
  const toX = scale(ranges[0], logX, left, width - right, 0);
  const toY = scale(ranges[1], logY, height - bottom, top, 0.06);
  for (const tick of ticks(toY.range, logY)) {
    root.append(
      svg("line", { class: "grid", x1: left, x2: width - right, y1: toY(tick), y2: toY(tick) }),
      svg("text", { x: left - 8, y: toY(tick) + 4, "text-anchor": "end" }, number(tick)));
  }
  for (const tick of ticks(toX.range, logX)) {
    root.append(svg("text", { x: toX(tick), y: height - bottom + 18, "text-anchor": "middle" }, number(tick)));
  }
  root.append(
    svg("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    svg("text", { x: width - right, y: height - 4, "text-anchor": "end" }, x));
  if (marker !== undefined) root.append(svg("line", { class: "marker", x1: toX(marker), x2: toX(marker), y1: top, y2: height - bottom }));
  for (const { points: line, className } of series) {
    const finite = line.filter(([, value]) => Number.isFinite(value));
    const path = finite.map(([px, py], i) => `${i ? "L" : "M"}${toX(px).toFixed(1)} ${toY(py).toFixed(1)}`).join("");
    root.append(svg("path", { class: `line ${className}`, d: path }));
    // Points of zero length with round ends are dots.
    if (finite.length <= 30) {
      const dots = finite.map(([px, py]) => `M${toX(px).toFixed(1)} ${toY(py).toFixed(1)}h0`).join("");
      root.append(svg("path", { class: `line dots ${className.replace("thin", "")}`, d: dots }));
    }
  }
  const about = series.map(({ name, points: line }) => `${name}: ${number(line.at(-1)?.[1])} at the end`);
  root.setAttribute("aria-label", `${y} over ${x}. ${about.join(". ")}.`);
  return root;
}

/** A function from values to places. `margin` is the share of free room at both ends. */
function scale([low, high], isLog, from, to, margin) {
  const map = isLog ? Math.log10 : (value) => value;
  let [a, b] = [map(low), map(high)];
  if (a === b) [a, b] = [a - 0.5, b + 0.5];
  const room = (b - a) * margin;
  [a, b] = [a - room, b + room];
  const place = (value) => from + ((map(value) - a) / (b - a)) * (to - from);
  place.range = isLog ? [10 ** a, 10 ** b] : [a, b];
  return place;
}

/** About five round numbers in a range. */
function ticks([low, high], isLog) {
  if (isLog) {
    const all = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e += 1) {
      for (const m of Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5]) all.push(m * 10 ** e);
    }
    return all.filter((tick) => tick >= low && tick <= high);
  }
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const all = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) all.push(Number((i * step).toPrecision(12)));
  return all;
}
