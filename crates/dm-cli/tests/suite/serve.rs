//! `dm serve` through the binary: the page, what it computes, and what it refuses.

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use crate::common::{arg, ok, refused, root, samples};
use crate::web::{Server, base64, bytes};
use serde_json::{Value, json};

/// The largest film that the server draws.
fn large() -> Value {
    json!({ "model": "ink-unet", "count": 64, "seed": 1, "nfe": 100 })
}

#[test]
fn the_page_works_in_an_empty_folder_and_lets_nothing_in() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    assert!(server.address.starts_with("http://127.0.0.1:"), "{}", server.address);
    let page = server.get("/");
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    // The page refers to nothing outside, and everything that it refers to is there.
    let links: Vec<&str> =
        text.split(['"']).filter(|part| part.starts_with('/') || part.contains("://")).collect();
    assert!(links.len() > 3, "{links:?}");
    for link in links {
        let answer = server.get(link);
        assert_eq!(answer.status, 200, "{link}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        let code = String::from_utf8_lossy(&answer.body).into_owned();
        for import in code.lines().filter_map(|line| line.strip_prefix("import ")?.split('"').nth(1)) {
            assert_eq!(
                server.get(&format!("/assets/{}", import.trim_start_matches("./"))).status,
                200,
                "{import}"
            );
        }
    }
    assert!(
        !text.contains("<style") && !text.contains("style=") && !text.contains("onclick"),
        "nothing is inline"
    );
    let about = server.get("/api/about").json();
    assert!(about["degradations"].as_array().unwrap().len() >= 8);
    assert_eq!(about["test_images"]["labels"].as_array().unwrap().len(), 100);
    assert_eq!(server.get("/api/runs").json(), json!([]));
    for missing in ["/nothing", "/api/models/..%2f..%2fetc%2fpasswd", "/api/runs/..", "/assets/../main.rs"] {
        assert_eq!(server.get(missing).status, 404, "{missing}");
    }
    assert_eq!(server.request("DELETE", "/api/runs", &[], b"").status, 405);
}

#[test]
fn other_sites_and_other_names_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    let (host, own) = (server.host(), format!("Origin: http://{}", server.host()));
    let status = |headers: &[&str]| server.request("GET", "/api/about", headers, b"").status;
    assert_eq!(status(&[&own, "Sec-Fetch-Site: same-origin"]), 200);
    let port = host.rsplit(':').next().unwrap();
    assert_eq!(status(&[&format!("Host: localhost:{port}")]), 200);
    for bad in ["Host: evil.example", "Host: evil.example:8008", "Host: 10.0.0.1", "Host:"] {
        let answer = server.request("GET", "/", &[bad], b"");
        assert_eq!(answer.status, 403, "{bad}");
        assert!(answer.error().starts_with("host: found"), "{}", answer.error());
    }
    for bad in [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(status(&[bad]), 403, "{bad}");
    }
    // A form of another site can send text, but not JSON.
    let body = json!({ "model": "ink-unet", "count": 1, "seed": 1 }).to_string();
    let form = server.request("POST", "/api/sample", &["Content-Type: text/plain"], body.as_bytes());
    assert_eq!(form.status, 415, "{}", form.error());
}

#[test]
fn other_machines_need_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--host", "0.0.0.0"], 3);
    assert!(server.lines[0].contains("not encrypted"), "{:?}", server.lines);
    let token = server.address.split("token=").nth(1).unwrap().to_owned();
    assert_eq!(token.len(), 32);
    let status = |path: &str, headers: &[&str]| server.request("GET", path, headers, b"").status;
    assert_eq!(status("/", &[]), 401);
    assert_eq!(status("/?token=0123456789abcdef0123456789abcdef", &[]), 401);
    assert_eq!(status("/api/about", &["Cookie: dm_token=wrong"]), 401);
    let first = server.get(&format!("/?token={token}"));
    assert_eq!((first.status, first.header("location")), (303, Some("/")));
    let cookie = first.header("set-cookie").unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    assert_eq!(status("/api/about", &[&format!("Cookie: other=1; dm_token={token}")]), 200);
    assert_eq!(status("/api/about", &[&format!("Authorization: Bearer {token}")]), 200);
    assert_eq!(status("/", &["Host: evil.example", &format!("Cookie: dm_token={token}")]), 403);
    refused(dir.path(), &["serve", "--token", "short"], &["--token", "expected 16 to 128"]);
    refused(dir.path(), &["serve", "--run", "nowhere"], &["--run: nowhere", "expected one with runs"]);
}

#[test]
fn a_film_ends_with_the_images_of_dm_sample() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    let order = json!({ "model": "ink-unet", "count": 3, "seed": 7, "nfe": 6, "sampler": "ancestral", "spacing": "power:1.5" });
    let answer = server.post("/api/sample", &order);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    let events = answer.events();
    let (last, frames) = events.split_last().unwrap();
    assert_eq!((frames.len(), last.0.as_str()), (7, "done"));
    for (i, (name, frame)) in frames.iter().enumerate() {
        assert_eq!((name.as_str(), &frame["frame"], &frame["frames"]), ("frame", &json!(i), &json!(7)));
        assert_eq!(bytes(&frame["images"]).len(), 3 * 784);
    }
    assert_eq!((&frames[0].1["t"], &frames[6].1["t"]), (&json!(1000), &json!(0)));
    let call =
        "sample ink-unet -n 3 --seed 7 --nfe 6 --sampler ancestral --spacing power:1.5 --out out --quiet";
    ok(dir.path(), &call.split(' ').collect::<Vec<_>>());
    let expected = samples(&dir.path().join("out/images.safetensors"));
    assert_eq!(bytes(&last.1["images"]), expected.pixels);
    assert_eq!(bytes(&frames[6].1["images"]), expected.pixels);
    // Files are those of `dm sample`, whether the film is kept or has to be computed again.
    for (kind, file) in [("safetensors", "out/images.safetensors"), ("png", "out/grid.png")] {
        let answer = server.post(&format!("/api/sample/{kind}"), &order);
        assert_eq!(answer.body, fs::read(dir.path().join(file)).unwrap(), "{kind}");
        assert!(answer.header("content-disposition").unwrap().contains("ink-unet-seed-7"));
    }
    let again = Server::start(dir.path(), &[], 2);
    let gifs = [&server, &again].map(|server| server.post("/api/sample/gif", &order).body);
    assert!(gifs[0].starts_with(b"GIF89a") && gifs[0] == gifs[1]);
    assert_eq!(server.post("/api/sample/exe", &order).status, 404);
}

#[test]
fn orders_out_of_bounds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    let order = |key: &str, value: Value| {
        let mut order = json!({ "model": "ink-unet", "count": 1, "seed": 1, "nfe": 2 });
        order[key] = value;
        order
    };
    let cases = [
        (order("count", json!(0)), "count: found 0, expected 1 to 64"),
        (order("count", json!(65)), "count: found 65, expected 1 to 64"),
        (order("count", json!(-1)), "body: invalid value"),
        (order("nfe", json!(0)), "nfe: found 0, expected 1 to 1000"),
        (order("nfe", json!(1001)), "nfe: found 1001, expected 1 to 1000"),
        (order("seed", json!(1_u64 << 53)), "seed: found 9007199254740992"),
        (order("sampler", json!("magic")), "sampler: found magic"),
        (order("sampler", json!("ddim")), "ddim with `ink`"),
        (order("spacing", json!("wide")), "spacing: found wide"),
        (order("class", json!("3")), "class: found `ink-unet`, a model without classes"),
        (order("guidance", json!(2)), "guidance: found 2"),
        (order("model", json!("../../secret")), "model: found `../../secret`, expected a listed model"),
        (order("path", json!("/etc/passwd")), "unknown field `path`"),
    ];
    for (order, expected) in cases {
        let answer = server.post("/api/sample", &order);
        let error = answer.error();
        assert!((400..=404).contains(&answer.status) && error.contains(expected), "{order}: {error}");
    }
    let mut both = order("count", json!(64));
    both["nfe"] = json!(101);
    assert!(server.post("/api/sample", &both).error().contains("at most 63 with 101 evaluations"));
    let huge =
        server.request("POST", "/api/degrade", &["Content-Type: application/json"], &vec![b' '; 300_000]);
    assert_eq!((huge.status, huge.error().contains("expected at most 196608 bytes")), (413, true));
    let image = base64(&[0; 784]);
    let degrade =
        |degradation: Value| json!({ "image": image, "degradation": degradation, "model": null, "seed": 1 });
    for (degradation, expected) in [
        (
            json!({ "kind": "fade", "timesteps": 1001 }),
            "degradation.timesteps: found 1001, expected 1 to 1000",
        ),
        (json!({ "kind": "fade", "radius": -1.0 }), "degradation.radius: found -1"),
        (json!({ "kind": "fade", "speed": 1 }), "unknown field `speed`"),
        (json!({ "kind": "sparkle" }), "unknown variant `sparkle`"),
    ] {
        let answer = server.post("/api/degrade", &degrade(degradation));
        assert!(answer.status == 400 && answer.error().contains(expected), "{}", answer.error());
    }
    let mut short = degrade(json!({ "kind": "fade" }));
    short["image"] = json!(base64(&[0; 10]));
    assert!(server.post("/api/degrade", &short).error().contains("image: found 10 bytes, expected 784"));
}

#[test]
fn every_degradation_is_shown_from_the_image_to_the_prior() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    let about = server.get("/api/about").json();
    let image = bytes(&about["test_images"]["images"])[..784].to_vec();
    let ask = |degradation: &Value, model: Option<&str>, seed: u64| {
        let order =
            json!({ "image": base64(&image), "degradation": degradation, "model": model, "seed": seed });
        let answer = server.post("/api/degrade", &order);
        assert_eq!(answer.status, 200, "{degradation}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    };
    for degradation in about["degradations"].as_array().unwrap() {
        let (config, name) = (&degradation["config"], &degradation["entry"]["name"]);
        let answer = ask(config, None, 1);
        let (states, timesteps) = (bytes(&answer["states"]), answer["timesteps"].as_array().unwrap());
        assert_eq!((timesteps.len(), states.len()), (41, 41 * 784), "{name}");
        assert_eq!((&timesteps[0], &timesteps[40]), (&json!(0), &config["timesteps"]), "{name}");
        assert_eq!(states[..784], image, "{name}");
        assert_ne!(states[40 * 784..], image, "{name}");
        assert!(answer["estimates"].is_null());
        assert_eq!(answer, ask(config, None, 1), "{name}: the same seed gives the same noise");
        let opinions = answer["opinions"].as_array().unwrap();
        assert!(opinions[0][7].as_f64().unwrap() > 0.9, "the first test image is a 7: {}", opinions[0]);
    }
    let model = server.get("/api/models/ink-unet").json();
    let answer = ask(&model["degradation"], Some("ink-unet"), 1);
    let estimates = bytes(&answer["estimates"]);
    assert_eq!(estimates[..784], image);
    assert!(answer["estimate_opinions"][10][7].as_f64().unwrap() > 0.9);
    assert_ne!(answer, ask(&model["degradation"], Some("ink-unet"), 2));
    let order =
        json!({ "image": base64(&image), "degradation": { "kind": "snow" }, "model": "ink-unet", "seed": 1 });
    assert!(
        server.post("/api/degrade", &order).error().contains("expected one trained with this degradation")
    );
}

#[test]
fn ink_is_sampled_at_other_temperatures() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    let study = server.get("/api/temperature").json();
    let recorded: Value =
        serde_json::from_slice(&fs::read(root().join("report/runs/ink/summary.json")).unwrap()).unwrap();
    for point in study.as_array().unwrap() {
        let run = point["run"].as_str().unwrap();
        let row = recorded.as_array().unwrap().iter().find(|row| row["run"] == run).unwrap();
        for key in ["frechet_distance", "frechet_half", "precision", "recall", "n", "seeds"] {
            assert_eq!(point[key], row["measured"][key], "{run}, {key}");
        }
        let picture = server.get(&format!("/assets/temperature/{run}.png")).body;
        let drawn = root().join(format!("report/runs/ink/{run}/generated/grid.png"));
        assert!(picture == fs::read(drawn).unwrap(), "{run}");
    }
    let draw =
        |density: f64| server.post("/api/temperature", &json!({ "density": density, "seed": 1 })).events();
    let own = draw(1.0);
    let order = json!({ "model": "ink-unet", "count": 16, "seed": 1, "nfe": 20 });
    let sampled = server.post("/api/sample", &order).events();
    assert_eq!(
        own.last().unwrap().1["images"],
        sampled.last().unwrap().1["images"],
        "the model's own temperature"
    );
    assert_ne!(draw(64.0).last().unwrap().1["images"], own.last().unwrap().1["images"]);
    assert!(
        server.post("/api/temperature", &json!({ "density": 1e9, "seed": 1 })).error().contains("density")
    );
}

#[test]
fn runs_are_shown_as_by_dm_runs() {
    let runs = root().join("report/runs");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(
        dir.path(),
        &["--run", arg(&runs.join("ink-unet")), "--run", arg(&runs.join("ddpm-unet"))],
        2,
    );
    let listed = server.get("/api/runs").json();
    assert_eq!(
        (&listed[0]["summary"]["run"], &listed[1]["summary"]["run"]),
        (&json!("ink-unet"), &json!("ddpm-unet"))
    );
    let ids = [0, 1].map(|i| listed[i]["id"].as_str().unwrap().to_owned());
    let shown: Value =
        serde_json::from_str(&ok(dir.path(), &["runs", "show", arg(&runs.join("ink-unet")), "--json"]))
            .unwrap();
    let run = server.get(&format!("/api/runs/{}", ids[0])).json();
    assert_eq!((&run["curves"], &run["config"]), (&shown["curves"], &shown["config"]));
    assert_eq!(run["pictures"], json!([1, 2, 3, 5, 10, 20]));
    let picture = server.get(&format!("/api/runs/{}/pictures/20", ids[0]));
    assert_eq!(picture.header("content-type"), Some("image/png"));
    assert!(picture.body == fs::read(runs.join("ink-unet/samples/epoch-0020.png")).unwrap());
    let compared = ["ink-unet", "ddpm-unet"].map(|name| runs.join(name));
    let expected = ok(dir.path(), &["runs", "compare", arg(&compared[0]), arg(&compared[1]), "--json"]);
    let comparison = server.get(&format!("/api/runs/{}/compare/{}", ids[0], ids[1])).json();
    assert_eq!(comparison["config"], serde_json::from_str::<Value>(&expected).unwrap()["config"]);
    for missing in ["4", "0020", "..", "%2e%2e%2fmanifest.json", "grid.png"] {
        assert_eq!(server.get(&format!("/api/runs/{}/pictures/{missing}", ids[0])).status, 404, "{missing}");
    }
    assert_eq!(server.get("/api/runs/ink-unet").status, 404);
}

#[test]
fn a_closed_tab_stops_its_work_and_a_full_queue_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    let headers = ["Content-Type: application/json"];
    let body = large().to_string();
    // Together these films take minutes on a laptop.
    let mut tabs = Vec::new();
    let busy = loop {
        let mut tab = server.open("POST", "/api/sample", &headers, body.as_bytes());
        let mut start = [0; 12];
        tab.read_exact(&mut start).unwrap();
        if start != *b"HTTP/1.1 200" {
            break tab;
        }
        tabs.push(tab);
        assert!(tabs.len() < 100, "the queue is bounded");
    };
    drop(busy);
    let refusal = server.post("/api/sample", &large());
    assert_eq!((refusal.status, refusal.header("retry-after")), (503, Some("2")));
    assert!(refusal.error().contains("busy"));
    // Short computations have a queue of their own.
    assert_eq!(server.get("/api/runs").status, 200);
    drop(tabs);
    let clock = Instant::now();
    let small = json!({ "model": "ink-unet", "count": 1, "seed": 1, "nfe": 2 });
    let answer = loop {
        let answer = server.post("/api/sample", &small);
        if answer.status == 200 {
            break answer;
        }
        assert!(clock.elapsed() < Duration::from_secs(30), "films without clients go on");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(answer.events().last().unwrap().0, "done");
}

#[test]
fn ctrl_c_ends_the_server_in_the_middle_of_a_film() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[], 2);
    let mut tab = server.open(
        "POST",
        "/api/sample",
        &["Content-Type: application/json"],
        large().to_string().as_bytes(),
    );
    tab.read_exact(&mut [0; 1000]).unwrap();
    let idle = server.open("GET", "/api/about", &[], b"");
    assert_eq!(server.interrupt(), Some(0));
    drop((tab, idle));
}

/// Two hundred clients for one minute. Run it with `cargo test -p dm-cli --test suite serve -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute"]
#[allow(clippy::print_stdout, reason = "the figures are the result")]
fn two_hundred_clients_for_a_minute_see_no_error_but_busy() {
    const CLIENTS: u64 = 200;
    const TIME: Duration = Duration::from_secs(60);
    let dir = tempfile::tempdir().unwrap();
    let runs = root().join("report/runs/zoo");
    let server = Server::start(dir.path(), &["--run", arg(&runs)], 2);
    let image = base64(&bytes(&server.get("/api/about").json()["test_images"]["images"])[..784]);
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    let (before, clock) = (memory(), Instant::now());
    let client = |i: u64| {
        let mut counts = std::collections::BTreeMap::new();
        let mut slowest = Duration::ZERO;
        for round in i.. {
            if clock.elapsed() > TIME {
                break;
            }
            let asked = Instant::now();
            let (what, answer) = match round % 5 {
                0 => ("page", server.get("/")),
                1 => ("runs", server.get("/api/runs")),
                2 => (
                    "film",
                    server.post(
                        "/api/sample",
                        &json!({ "model": "ink-unet", "count": 4, "seed": round, "nfe": 10 }),
                    ),
                ),
                3 => {
                    let order = json!({ "image": image, "degradation": { "kind": "snow" }, "model": null, "seed": round });
                    ("degrade", server.post("/api/degrade", &order))
                }
                _ => ("module", server.get("/assets/degrade.js")),
            };
            slowest = slowest.max(asked.elapsed());
            if what == "film" && answer.status == 200 {
                assert_eq!(answer.events().last().unwrap().0, "done");
            }
            *counts.entry((what, answer.status)).or_insert(0_u64) += 1;
        }
        (counts, slowest)
    };
    let client = &client;
    let results: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|i| scope.spawn(move || client(i))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut counts = std::collections::BTreeMap::new();
    for (key, count) in results.iter().flat_map(|(counts, _)| counts) {
        *counts.entry(*key).or_insert(0) += count;
    }
    let slowest = results.iter().map(|(_, slowest)| *slowest).max().unwrap();
    let after = memory();
    println!(
        "answers by kind and status: {counts:?}; slowest {slowest:.1?}; memory {before} MiB before, {after} MiB after"
    );
    assert!(counts.keys().all(|(_, status)| [200, 429, 503].contains(status)), "{counts:?}");
    assert!(after < before + 500, "{after} MiB");
}
