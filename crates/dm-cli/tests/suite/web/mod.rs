//! A running `dm serve` and a small client of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// A running server. It ends when this value is dropped.
pub struct Server {
    child: Child,
    /// The first line that the program has printed: the address of the page.
    pub address: String,
    /// The lines that it has printed after the address.
    pub lines: Vec<String>,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    /// The header, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the header `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The message of a refusal.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }

    /// The events of a stream: name and data.
    pub fn events(&self) -> Vec<(String, Value)> {
        let text = String::from_utf8(self.body.clone()).unwrap();
        let event = |text: &str| {
            let (name, data) = text.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            (name.to_owned(), serde_json::from_str(data).unwrap())
        };
        text.split("\n\n").filter(|text| !text.is_empty()).map(event).collect()
    }
}

impl Server {
    /// Starts `dm serve` on a free port with `args` in the folder `dir`, and waits for `lines` lines.
    pub fn start(dir: &Path, args: &[&str], lines: usize) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("dm"))
            .current_dir(dir)
            .args(["serve", "--port", "0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines: Vec<String> = (0..lines).map(|_| output.next().unwrap().unwrap()).collect();
        let address = lines.remove(0);
        assert!(address.starts_with("http://"), "{address}");
        Self { child, address, lines }
    }

    /// Host and port for the header `Host`.
    pub fn host(&self) -> String {
        self.address.trim_start_matches("http://").split('/').next().unwrap().replace("0.0.0.0", "127.0.0.1")
    }

    /// The ID of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends `method path` with the lines `headers` and `body`, and returns the open connection.
    pub fn open(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> TcpStream {
        open(&self.host(), method, path, headers, body)
    }

    /// Sends a request and reads the whole answer.
    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        read(self.open(method, path, headers, body))
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    /// `POST path` with `body` as JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &["Content-Type: application/json"], body.to_string().as_bytes())
    }

    /// Sends an interrupt, as Ctrl-C does, and waits for the end: the exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `method path` with the lines `headers` and `body` to `host`, and returns the open connection.
pub fn open(host: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let has_host = headers.iter().any(|line| line.starts_with("Host:"));
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), "Connection: close".to_owned()];
    lines.extend((!has_host).then(|| format!("Host: {host}")));
    lines.extend(headers.iter().map(|&line| line.to_owned()));
    lines.push(format!("Content-Length: {}", body.len()));
    stream.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).unwrap();
    // A server may refuse a body before it has read all of it.
    let _ = stream.write_all(body);
    stream
}

/// Reads an answer to its end, which is where its header says or where the connection ends.
pub fn read(stream: TcpStream) -> Answer {
    let (mut stream, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "no answer: {head}");
    }
    let head = head.to_lowercase().replace("\r\n", "\n");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: Vec::new() };
    let length = answer.header("content-length").map_or(u64::MAX, |length| length.parse().unwrap());
    stream.take(length).read_to_end(&mut answer.body).unwrap();
    if answer.head.contains("transfer-encoding: chunked") {
        answer.body = joined(&answer.body);
    }
    answer
}

/// The content of chunks, each of which begins with its length in hexadecimal.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|end| end == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        body.extend(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[(end + 4 + length).min(chunks.len())..];
    }
    body
}

/// Bytes from base64.
pub fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Bytes as base64.
pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
