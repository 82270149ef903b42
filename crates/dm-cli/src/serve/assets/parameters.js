// Fields for the config of a degradation, made from its default values and its description.

import { field, h, menu, numberField } from "./dom.js";

/** Fields that edit `config`; `changed` is called after each change. `rebuild` is called when other fields are needed. */
export function parameterFields(degradation, config, changed, rebuild) {
  const meanings = new Map(degradation.entry.parameters);
  const keys = Object.keys(config).filter((key) => key !== "kind");
  return keys.map((key) => one(config, key, meanings.get(key), degradation.forms[key], changed, rebuild));
}

function one(config, key, meaning, forms, changed, rebuild) {
  const value = config[key];
  if (typeof value === "boolean") {
    const box = h("input", { type: "checkbox", checked: value, change: () => { config[key] = box.checked; changed(); } });
    return h("label", { class: "check" }, box, h("span", {}, name(key)));
  }
  if (typeof value === "number") {
    const step = key === "timesteps" || key === "size" ? 1 : "any";
    const edit = (number) => { config[key] = number; changed(); };
    return numberField(name(key), shown(value), { step, hint: meaning, changed: edit }).element;
  }
  if (!forms) return null;
  const options = forms.map((form) => ({ value: form.kind, label: form.kind }));
  const select = menu(options, (kind) => {
    config[key] = structuredClone(forms.find((form) => form.kind === kind));
    rebuild();
    changed();
  });
  select.value = value.kind;
  const inner = Object.keys(value).filter((inside) => inside !== "kind");
  return h("fieldset", {},
    field(name(key), select),
    inner.map((inside) => one(value, inside, undefined, undefined, changed, rebuild)));
}

/** Single precision numbers are sent as 0.10000000149; people wrote 0.1. */
const shown = (value) => Number(value.toPrecision(6));

const name = (key) => key.replaceAll("_", " ");
