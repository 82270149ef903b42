// Making elements.

/** An element `tag` with `attributes` (functions become listeners) and `children` (elements or texts). */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element named `slot` in a section of the page. */
export const slot = (section, name) => document.querySelector(`#${section} [data-slot="${name}"]`);

/** A labelled field. */
export function field(label, control, hint) {
  return h("label", { class: "field" }, h("span", {}, label), control, hint ? h("small", {}, hint) : null);
}

/** A field for a number that reports valid values. */
export function numberField(label, value, { min, max, step = 1, hint, changed }) {
  const input = h("input", { type: "number", value, min, max, step, inputmode: step === 1 ? "numeric" : "decimal" });
  input.addEventListener("input", () => {
    if (input.value !== "" && input.checkValidity()) changed(Number(input.value));
  });
  return { input, element: field(label, input, hint) };
}

/** A menu of `options`, each `{ value, label }` or `{ group, options }`. */
export function menu(options, changed) {
  const option = ({ value, label }) => h("option", { value }, label);
  const entry = (o) => (o.group ? h("optgroup", { label: o.group }, o.options.map(option)) : option(o));
  return h("select", { change: (event) => changed(event.target.value) }, options.map(entry));
}

/** Radio buttons in one bar: a choice of `options`, each `{ value, label }`. */
export function choice(name, legend, options, chosen, changed) {
  const radio = ({ value, label }) =>
    h("label", {},
      h("input", { type: "radio", name, value, checked: value === chosen, change: () => changed(value) }),
      h("span", {}, label));
  return h("fieldset", {}, h("legend", {}, legend), h("div", { class: "choice" }, options.map(radio)));
}

/** Calls `work` once, a moment after the last of several calls. */
export function debounce(work, milliseconds) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}

const rounded = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A number for people. */
export const number = (value) => (value === null || value === undefined ? "–" : rounded.format(value));

/** A share in percent. */
export const percent = (share) => `${Math.round(100 * share)} %`;
