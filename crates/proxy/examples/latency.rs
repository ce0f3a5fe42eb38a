//! Times requests to the Engine API over several sockets in turn: `benches/proxy-latency` drives it.
//!
//!     latency ROUNDS CREATES IMAGE direct=SOCKET [NAME=SOCKET]…
//!
//! The first socket is the engine's own; what a create makes is removed over it, outside the timing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a measurement that fails may panic"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

const GET: &[u8] = b"GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";

/// One way to the engine, with the connection that it keeps.
struct Way {
    name: String,
    socket: String,
    kept: UnixStream,
}

/// The microseconds of one kind of request, by way.
type Samples = Vec<Vec<f64>>;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (rounds, creates): (usize, usize) = (words[0].parse().unwrap(), words[1].parse().unwrap());
    let mut ways: Vec<Way> = words[3..].iter().map(|word| Way::read(word)).collect();
    let create = create(&words[2]);

    let (mut fresh, mut kept) = (vec![Vec::new(); ways.len()], vec![Vec::new(); ways.len()]);
    for round in 0..rounds + rounds / 10 {
        for turn in 0..ways.len() {
            let way = (round + turn) % ways.len();
            let (new, old) = (ways[way].fresh(GET, 200).0, ways[way].keep(GET, 200).0);
            // The first tenth warms up.
            if round >= rounds / 10 {
                fresh[way].push(new);
                kept[way].push(old);
            }
        }
    }
    show("GET /containers/json, new connection", &ways, &fresh);
    show("GET /containers/json, kept connection", &ways, &kept);

    let (mut fresh, mut kept) = (vec![Vec::new(); ways.len()], vec![Vec::new(); ways.len()]);
    for round in 0..creates {
        for turn in 0..ways.len() {
            let way = (round + turn) % ways.len();
            let (new, made) = ways[way].fresh(create.as_bytes(), 201);
            remove(&mut ways[0], &made);
            let (old, made) = ways[way].keep(create.as_bytes(), 201);
            remove(&mut ways[0], &made);
            fresh[way].push(new);
            kept[way].push(old);
        }
    }
    show("POST /containers/create, new connection", &ways, &fresh);
    show("POST /containers/create, kept connection", &ways, &kept);
}

impl Way {
    fn read(word: &str) -> Way {
        let (name, socket) = word.split_once('=').expect("NAME=SOCKET");
        let kept = UnixStream::connect(socket).unwrap();
        Way { name: name.into(), socket: socket.into(), kept }
    }

    /// On a connection of its own, its making included.
    fn fresh(&self, request: &[u8], status: u16) -> (f64, Vec<u8>) {
        let start = Instant::now();
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let body = ask(&mut stream, request, status, &self.name);
        (start.elapsed().as_secs_f64() * 1e6, body)
    }

    fn keep(&mut self, request: &[u8], status: u16) -> (f64, Vec<u8>) {
        let start = Instant::now();
        let body = ask(&mut self.kept, request, status, &self.name);
        (start.elapsed().as_secs_f64() * 1e6, body)
    }
}

fn create(image: &str) -> String {
    let body = format!(r#"{{"Image":"{image}","Cmd":["true"],"HostConfig":{{"NetworkMode":"none"}}}}"#);
    let head = "POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn remove(engine: &mut Way, made: &[u8]) {
    let text = String::from_utf8_lossy(made);
    let id = text.split('"').find(|word| word.len() == 64).expect("an id");
    let request = format!("DELETE /v1.41/containers/{id}?force=1 HTTP/1.1\r\nHost: docker\r\n\r\n");
    engine.keep(request.as_bytes(), 204);
}

fn ask(stream: &mut UnixStream, request: &[u8], status: u16, name: &str) -> Vec<u8> {
    stream.write_all(request).unwrap();
    let mut bytes = Vec::with_capacity(16 << 10);
    let mut piece = [0; 16 << 10];
    loop {
        if let Some(body) = whole(&bytes) {
            let told = String::from_utf8_lossy(&bytes);
            assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {told}");
            return body;
        }
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "{name} hung up: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..length]);
    }
}

/// The body, when the answer is whole; of a chunked one with its chunks' lengths in it.
fn whole(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let body = &bytes[end..];
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let there = match length {
        Some(length) => body.len() >= length.parse().unwrap(),
        None => !head.contains("transfer-encoding: chunked") || body.ends_with(b"0\r\n\r\n"),
    };
    there.then(|| body.to_vec())
}

fn show(what: &str, ways: &[Way], samples: &Samples) {
    println!("\n{what}: {} in turn, microseconds", samples[0].len());
    println!("{:12}{:>9}{:>9}{:>12}{:>10}", "", "p50", "p99", "added p50", "ratio");
    let direct = at(&samples[0], 0.5);
    for (way, own) in ways.iter().zip(samples) {
        let added: Vec<f64> = own.iter().zip(&samples[0]).map(|(own, direct)| own - direct).collect();
        let (middle, far, added) = (at(own, 0.5), at(own, 0.99), at(&added, 0.5));
        println!("{:12}{middle:9.0}{far:9.0}{added:12.0}{:10.2}", way.name, middle / direct);
    }
}

fn at(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * part) as usize).min(sorted.len() - 1)]
}
