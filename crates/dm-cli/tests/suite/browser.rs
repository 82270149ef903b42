//! The page of `dm serve` in a real browser: Chromium, driven by its own chromedriver. Without Chromium the test says so and
//! does nothing. Screenshots are written to the folder that cargo gives to tests, or to the one that `DM_SCREENSHOTS` names.

#![allow(clippy::print_stderr, reason = "a test that does nothing says why")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{arg, root};
use crate::web::{Server, bytes, open, read};
use serde_json::{Value, json};

/// How long anything on the page may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest cumulative layout shift that the Web Vitals call good.
const MOST_SHIFT: f64 = 0.1;
/// Sizes of a phone and of a desktop: width, height, and pixels per CSS pixel.
const SCREENS: [(&str, u32, u32, u32); 2] = [("phone", 390, 844, 2), ("desktop", 1280, 800, 1)];
/// The parts of the page, and an expression that is true when a part has finished its first work.
const PARTS: [(&str, &str); 4] = [
    ("degrade", "document.querySelector('#degrade .status')?.textContent.includes('classifier takes')"),
    ("sample", "document.querySelector('#sample .status')?.textContent.includes('evaluations each')"),
    (
        "runs",
        "document.querySelectorAll('#runs .chart').length > 0 && [...document.querySelectorAll('#runs img')].every(i => i.complete)",
    ),
    (
        "temperature",
        "document.querySelector('#temperature .status')?.textContent.includes('16 images in') && document.querySelector('#temperature [aria-label^=\"test images\"]')",
    ),
];

/// A browser.
struct Browser {
    driver: Child,
    host: String,
    session: String,
}

impl Browser {
    /// Starts Chromium; `None` if it is not installed.
    fn start() -> Option<Self> {
        let mut driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn().ok()?;
        let lines = BufReader::new(driver.stdout.take()?).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.contains("started successfully")
                .then(|| line.trim_end_matches('.').rsplit(' ').next().unwrap().to_owned())
        })?;
        let mut browser = Self { driver, host: format!("127.0.0.1:{port}"), session: String::new() };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
        ];
        let options = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let started = browser.call("POST", "/session", &options);
        started["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        Some(browser)
    }

    /// Sends a command of the WebDriver protocol and returns its value.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let answer =
            read(open(&self.host, method, path, &["Content-Type: application/json"], body.as_bytes()));
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()["value"].clone()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{path}", self.session), body)
    }

    /// The value of a JavaScript expression.
    fn value(&self, expression: &str) -> Value {
        self.command("execute/sync", &json!({ "script": format!("return {expression}"), "args": [] }))
    }

    /// Waits until an expression is true.
    fn wait(&self, expression: &str) {
        let clock = Instant::now();
        while self.value(&format!("Boolean({expression})")) != true {
            assert!(
                clock.elapsed() < PATIENCE,
                "{expression} does not become true: {}",
                self.value("document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses keys one after another. Names of keys are those of the WebDriver protocol.
    fn press(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        self.command("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Draws a line with the mouse from one point of the window to another.
    fn drag(&self, from: (f64, f64), to: (f64, f64)) {
        let at = |(x, y): (f64, f64), duration| json!({ "type": "pointerMove", "duration": duration, "x": x as i64, "y": y as i64 });
        let actions = [
            at(from, 0),
            json!({ "type": "pointerDown", "button": 0 }),
            at(to, 200),
            json!({ "type": "pointerUp", "button": 0 }),
        ];
        self.command(
            "actions",
            &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] }),
        );
    }

    fn developer(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Shows `address` on a screen.
    fn show(&self, (_, width, height, scale): (&str, u32, u32, u32), scheme: &str, address: &str) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.developer("Emulation.setDeviceMetricsOverride", &screen);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.developer("Emulation.setEmulatedMedia", &media);
        self.command("url", &json!({ "url": "about:blank" }));
        self.command("url", &json!({ "url": address }));
    }

    /// Writes a picture of the whole page to `path`.
    fn picture(&self, path: &Path) {
        let shot = self
            .developer("Page.captureScreenshot", &json!({ "captureBeyondViewport": true, "format": "png" }));
        fs::write(path, bytes(&shot["data"])).unwrap();
    }

    /// Messages of the browser that are not mere information.
    fn complaints(&self) -> Vec<Value> {
        let log = self.command("se/log", &json!({ "type": "browser" }));
        log.as_array().unwrap().iter().filter(|entry| entry["level"] != "INFO").cloned().collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let path = format!("/session/{}", self.session);
            drop(open(&self.host, "DELETE", &path, &[], b"").shutdown(std::net::Shutdown::Write));
            std::thread::sleep(Duration::from_millis(300));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn screenshots() -> PathBuf {
    let folder =
        std::env::var_os("DM_SCREENSHOTS").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A browser and a server with the recorded runs, if there is a browser.
fn start() -> Option<(Browser, Server)> {
    let Some(browser) = Browser::start() else {
        eprintln!("skipped: chromedriver is not installed (on Debian: apt install chromium chromium-driver)");
        return None;
    };
    let dir = root().join("report/runs");
    let folders = ["ink-unet", "ddpm-unet", "zoo"].map(|run| dir.join(run));
    let runs: Vec<&str> = folders.iter().flat_map(|folder| ["--run", arg(folder)]).collect();
    // A folder that is called like a shipped model does not hide the model.
    Some((browser, Server::start(&dir, &runs, 2)))
}

#[test]
fn every_part_fits_every_screen_without_complaints_or_shifts() {
    let Some((browser, server)) = start() else { return };
    let mut shifts = Vec::new();
    for screen in SCREENS {
        for scheme in ["light", "dark"] {
            for (part, ready) in PARTS {
                let name = format!("{part}, {}, {scheme}", screen.0);
                browser.show(screen, scheme, &format!("{}#{part}", server.address));
                browser.command("execute/sync", &json!({ "args": [], "script":
                    "window.shift = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) window.shift += e.value; })\
                     .observe({ type: 'layout-shift', buffered: true });" }));
                browser.wait(ready);
                let wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 \
                            && !e.closest('.scroll')).map(e => e.outerHTML.slice(0, 200)).slice(0, 5)";
                assert_eq!(browser.value(wide), json!([]), "{name}: too wide");
                assert_eq!(browser.complaints(), Vec::<Value>::new(), "{name}");
                let small = "[...document.querySelectorAll('button, select, input[type=number]')]\
                             .filter(e => e.offsetParent && e.getBoundingClientRect().height < 40).map(e => e.outerHTML)";
                assert_eq!(browser.value(small), json!([]), "{name}: too small for a finger");
                let shift = browser.value("window.shift").as_f64().unwrap();
                shifts.push((name.clone(), shift));
                browser.picture(&screenshots().join(format!("{part}-{}-{scheme}.png", screen.0)));
            }
        }
    }
    let shifts: Vec<_> = shifts.into_iter().filter(|(_, shift)| *shift > MOST_SHIFT).collect();
    assert!(shifts.is_empty(), "the layout shifts: {shifts:?}");
}

#[test]
fn the_keyboard_reaches_everything() {
    let Some((browser, server)) = start() else { return };
    browser.show(SCREENS[1], "light", &server.address);
    browser.wait(PARTS[0].1);
    // From the tab, the next stop is inside the part; arrows move between tabs.
    browser.press(&["\u{e004}"]);
    assert_eq!(browser.value("document.activeElement.id"), "tab-degrade");
    browser.press(&["\u{e014}"]);
    browser.wait("location.hash === '#sample' && document.activeElement.id === 'tab-sample'");
    browser.press(&["\u{e012}"]);
    browser.wait("!document.getElementById('degrade').hidden");
    let mut seen = Vec::new();
    for _ in 0..24 {
        browser.press(&["\u{e004}"]);
        seen.push(
            browser
                .value("document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName"),
        );
    }
    for expected in ["timestep t", "test image 0, a 7", "SELECT", "SUMMARY"] {
        assert!(seen.iter().any(|label| label == expected), "{expected}: {seen:?}");
    }
    // The slider follows the keys, and the picture follows the slider.
    let picture = "document.querySelector('#degrade .tile canvas').toDataURL()";
    browser.value("document.querySelector('#degrade [type=range]').focus()");
    let before = browser.value(picture);
    browser.press(&["\u{e010}"]);
    assert_eq!(browser.value("document.querySelector('#degrade output').textContent"), "t = 1000 of 1000");
    assert_ne!(browser.value(picture), before);
}

#[test]
fn an_image_is_drawn_and_a_film_is_watched_and_saved() {
    let Some((browser, server)) = start() else { return };
    browser.show(SCREENS[1], "light", &server.address);
    browser.wait(PARTS[0].1);
    browser.value("document.querySelector('[name=source][value=pad]').click()");
    browser.wait("document.querySelector('.pad').offsetParent");
    browser.value("document.querySelector('.pad').scrollIntoView({ block: 'center' })");
    let place = browser.value("(({ left, top, width, height }) => [left, top, width, height])(document.querySelector('.pad').getBoundingClientRect())");
    let [left, top, width, height] = [0, 1, 2, 3].map(|i| place[i].as_f64().unwrap());
    let middle = left + width / 2.0;
    browser.drag((middle, top + 0.2 * height), (middle, top + 0.8 * height));
    browser.wait("document.querySelector('#degrade .status')?.textContent.includes('estimate for 1')");

    browser.show(SCREENS[1], "light", &format!("{}#sample", server.address));
    browser.wait(PARTS[1].1);
    let samples = "document.querySelector('#sample canvas').toDataURL()";
    let (last, slider) = (browser.value(samples), "document.querySelector('#sample [type=range]')");
    assert_eq!(browser.value(&format!("[{slider}.value, {slider}.max]")), json!(["20", "20"]));
    browser
        .value(&format!("(() => {{ {slider}.value = 0; {slider}.dispatchEvent(new Event('input')); }})()"));
    assert_ne!(browser.value(samples), last, "the first frame is not the last");
    let folder = tempfile::tempdir().unwrap();
    browser.developer(
        "Browser.setDownloadBehavior",
        &json!({ "behavior": "allow", "downloadPath": arg(folder.path()) }),
    );
    browser.value(
        "[...document.querySelectorAll('#sample .button')].find(b => b.textContent === 'GIF film').click()",
    );
    let (path, clock) = (folder.path().join("ink-unet-seed-1.gif"), Instant::now());
    while !path.exists() {
        assert!(clock.elapsed() < PATIENCE, "{:?}", fs::read_dir(folder.path()).unwrap().collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(fs::read(path).unwrap().starts_with(b"GIF89a"));
}
