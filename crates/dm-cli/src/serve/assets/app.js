// The page: its tabs, and which part of it is in view.

import { getJson } from "./api.js";
import * as degrade from "./degrade.js";
import { h } from "./dom.js";
import * as runs from "./runs.js";
import * as sample from "./sample.js";
import * as temperature from "./temperature.js";

const parts = { degrade, sample, runs, temperature };
const tabs = [...document.querySelectorAll("[role=tab]")];
const started = new Set();
let about;

async function show(name) {
  for (const tab of tabs) {
    const isChosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
  }
  for (const [other, part] of Object.entries(parts)) if (other !== name && started.has(other)) part.leave?.();
  if (started.has(name)) return parts[name].enter?.();
  started.add(name);
  try {
    about ??= getJson("/api/about");
    const known = await about;
    document.getElementById("version").textContent = `dm ${known.version}.`;
    await parts[name].start(known);
  } catch (error) {
    about = undefined;
    started.delete(name);
    document.getElementById(name).prepend(h("p", { class: "error intro", role: "alert" }, error.message));
  }
  return undefined;
}

const fromAddress = () => (location.hash.slice(1) in parts ? location.hash.slice(1) : "degrade");

for (const [i, tab] of tabs.entries()) {
  // Following a link to a part would move the focus away from the tabs.
  tab.addEventListener("click", () => {
    const name = tab.getAttribute("aria-controls");
    history.pushState(null, "", `#${name}`);
    window.scrollTo(0, 0);
    show(name);
  });
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
}
window.addEventListener("popstate", () => show(fromAddress()));
show(fromAddress());
