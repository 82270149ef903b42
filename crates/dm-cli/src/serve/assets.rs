//! The files of the page, inside the program.

/// A file of the page.
pub struct Asset {
    /// The path in the address.
    pub path: &'static str,
    /// The media type.
    pub media: &'static str,
    /// The content.
    pub bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const PNG: &str = "image/png";

macro_rules! asset {
    ($path:literal, $media:expr, $file:literal) => {
        Asset { path: $path, media: $media, bytes: include_bytes!(concat!("assets/", $file)) }
    };
}

/// All files.
pub const ASSETS: &[Asset] = &[
    asset!("/", HTML, "index.html"),
    asset!("/favicon.svg", SVG, "favicon.svg"),
    asset!("/assets/style.css", CSS, "style.css"),
    asset!("/assets/controls.css", CSS, "controls.css"),
    asset!("/assets/app.js", SCRIPT, "app.js"),
    asset!("/assets/api.js", SCRIPT, "api.js"),
    asset!("/assets/chart.js", SCRIPT, "chart.js"),
    asset!("/assets/degrade.js", SCRIPT, "degrade.js"),
    asset!("/assets/dom.js", SCRIPT, "dom.js"),
    asset!("/assets/film.js", SCRIPT, "film.js"),
    asset!("/assets/pad.js", SCRIPT, "pad.js"),
    asset!("/assets/parameters.js", SCRIPT, "parameters.js"),
    asset!("/assets/pixels.js", SCRIPT, "pixels.js"),
    asset!("/assets/runs.js", SCRIPT, "runs.js"),
    asset!("/assets/sample.js", SCRIPT, "sample.js"),
    asset!("/assets/temperature.js", SCRIPT, "temperature.js"),
    asset!("/assets/temperature/ink-end-quarter.png", PNG, "temperature/ink-end-quarter.png"),
    asset!("/assets/temperature/ink.png", PNG, "temperature/ink.png"),
    asset!("/assets/temperature/ink-end-4.png", PNG, "temperature/ink-end-4.png"),
    asset!("/assets/temperature/ink-end-16.png", PNG, "temperature/ink-end-16.png"),
    asset!("/assets/temperature/ink-end-64.png", PNG, "temperature/ink-end-64.png"),
    asset!("/assets/temperature/ink-all-256.png", PNG, "temperature/ink-all-256.png"),
    asset!("/assets/temperature/ink-all-600.png", PNG, "temperature/ink-all-600.png"),
    asset!("/assets/temperature/ink-heat.png", PNG, "temperature/ink-heat.png"),
];
