//! The real engine, spoken to directly, as the proxy does after a judgement.
#![allow(unreachable_pub, reason = "test files share it, and none uses all of it")]

use crate::support::{self, Http, decide_with};
use doorward_engine::{Approved, Decision, Facts, Lookup};
use doorward_policy::{Policy, Refusal};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const SOCKET: &str = "/var/run/docker.sock";

/// One worker of its own on the real engine, with an image of its own; everything it made is removed at the end.
pub struct House {
    pub worker: String,
    pub image: String,
    pub policy: Policy,
    /// A folder of the host that the policy's `binds` name.
    pub folder: tempfile::TempDir,
}

impl House {
    pub fn new() -> House {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let worker = format!("et{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let image = format!("doorward-test/{worker}:1");
        let folder = tempfile::tempdir().unwrap();
        import(&image, &[]);
        let text = include_str!("../data/policy.toml")
            .replace("[worker.hermes]", &format!("[worker.{worker}]"))
            .replace("\"busybox:*\"", &format!("\"busybox:*\", \"doorward-test/{worker}:*\""))
            .replace("[\"/dev/kfd\"]", "[\"/dev/null\"]")
            .replace("/srv/models", folder.path().to_str().unwrap());
        House { policy: support::policy_of(&text), worker, image, folder }
    }

    /// A second image, whose own configuration is what these Dockerfile instructions say.
    pub fn image_with(&self, tag: &str, instructions: &[&str]) -> String {
        let image = format!("doorward-test/{}:{tag}", self.worker);
        import(&image, instructions);
        image
    }

    /// Judged as the proxy does it, with what the engine really answers.
    pub fn decide(&self, http: &Http) -> Result<Decision, Refusal> {
        let answer = |lookup: &Lookup| {
            let (status, body) = call("GET", &lookup.target(support::ceiling(), &self.worker), None);
            assert!(status == 200 || status == 404, "{lookup:?} {status}");
            (status == 200).then(|| serde_json::from_slice(&body).unwrap())
        };
        decide_with(http, &self.policy, &self.worker, Facts::default(), answer)
    }

    pub fn approved(&self, http: &Http) -> Box<Approved> {
        match self.decide(http) {
            Ok(Decision::Forward(approved)) => approved,
            other => {
                panic!("{} {} {}: {other:?}", http.method, http.target, String::from_utf8_lossy(&http.body))
            }
        }
    }

    pub fn refused(&self, http: &Http) -> Refusal {
        match self.decide(http) {
            Err(refusal) | Ok(Decision::Refuse(refusal)) => refusal,
            other => panic!("{} {}: {other:?}", http.method, http.target),
        }
    }

    /// Sends what was approved; the answer as the worker would see it.
    pub fn send(&self, approved: &Approved) -> (u16, Value) {
        let (status, body) = call(approved.method, &approved.target, approved.body.as_deref());
        let seen = approved.answer.apply(status, &body, &self.policy, &self.worker).unwrap();
        (status, serde_json::from_slice(&seen).unwrap_or(Value::Null))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let label = json!({"label": [format!("doorward.worker={}", self.worker)]}).to_string();
        let filters: String = label.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (list, kind, end) in
            [("containers/json?all=1&", "containers", "?force=1&v=1"), ("networks?", "networks", "")]
        {
            let (_, body) = call("GET", &format!("/v1.41/{list}filters={filters}"), None);
            for entry in serde_json::from_slice::<Vec<Value>>(&body).unwrap_or_default() {
                call("DELETE", &format!("/v1.41/{kind}/{}{end}", entry["Id"].as_str().unwrap()), None);
            }
        }
        for tag in ["1", "2", "3"] {
            call("DELETE", &format!("/v1.41/images/doorward-test/{}:{tag}", self.worker), None);
        }
    }
}

/// An image of nothing but busybox.
fn import(image: &str, instructions: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.path().join("bin/busybox")).expect("busybox-static");
    std::os::unix::fs::symlink("busybox", root.path().join("bin/sleep")).unwrap();
    // Its own time keeps images of tests that run at one time apart: equal ones would share an id.
    std::fs::write(root.path().join("name"), image).unwrap();
    let mut tar = Command::new("tar")
        .arg("-c")
        .arg("-C")
        .arg(root.path())
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let changes = instructions.iter().flat_map(|instruction| ["-c", instruction]);
    let done = Command::new("docker")
        .arg("import")
        .args(changes)
        .args(["-", image])
        .stdin(tar.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status();
    assert!(tar.wait().unwrap().success() && done.unwrap().success());
}

/// One request on a connection of its own.
pub fn call(method: &str, target: &str, body: Option<&[u8]>) -> (u16, Vec<u8>) {
    let mut stream = UnixStream::connect(SOCKET).expect("a Docker Engine at /var/run/docker.sock");
    let body = body.unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = &answer[end + 4..];
    (status, if head.contains("transfer-encoding: chunked") { dechunk(body) } else { body.to_vec() })
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        out.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    out
}
