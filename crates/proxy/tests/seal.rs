//! The seal on a real kernel: a process of its own seals itself and then tries everything that it must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Cases by name; each runs in a process of its own, on its only thread.
const CASES: [(&str, fn()); 2] = [
    ("a sealed process has no files, programs, processes or network", nothing_is_left),
    ("a sealed process still serves and connects to unix sockets", service_still_works),
];

/// Without the test harness, in the words that test runners speak: `--list`, names of cases, or nothing.
fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, case)) = CASES.iter().find(|(name, _)| asked.first().is_some_and(|first| first == name)) {
        return case();
    }
    let listing = asked.iter().any(|word| word == "--list");
    let ignored = asked.iter().any(|word| word == "--ignored");
    let named = |name: &str| asked.iter().any(|word| word == name);
    let all = !CASES.iter().any(|(name, _)| named(name));
    for (name, _) in CASES.iter().filter(|(name, _)| !ignored && (all || named(name))) {
        match listing {
            true => println!("{name}: test"),
            false => run(name),
        }
    }
}

/// Runs a case in a process of its own.
fn run(name: &str) {
    // The parent's folder: a sealed process could not remove one.
    let folder = tempfile::tempdir().unwrap();
    let mut case = Command::new(std::env::current_exe().unwrap());
    let passed = case.arg(name).current_dir(folder.path()).status().unwrap().success();
    assert!(passed, "{name}");
    println!("{name} ... ok");
}

fn denied<T>(what: &str, result: std::io::Result<T>) {
    match result {
        Ok(_) => panic!("a sealed process could {what}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}"),
    }
}

fn nothing_is_left() {
    let open = std::fs::File::open("/proc/self/status").unwrap();
    let weaker = doorward_proxy::seal().unwrap();
    assert_eq!(weaker, Vec::<String>::new(), "this kernel can do all of it");

    denied("read a file", std::fs::read("/etc/hostname"));
    denied("write a file", std::fs::write("/tmp/doorward-proxy-test", "x"));
    denied("list a folder", std::fs::read_dir("/"));
    denied("look at a file", std::fs::metadata("/etc/hostname"));
    denied("make a folder", std::fs::create_dir("/tmp/doorward-proxy-test"));
    denied("remove a file", std::fs::remove_file("/tmp/doorward-proxy-test"));
    denied("run a program", Command::new("/bin/true").status());
    denied::<()>("become a program", Err(Command::new("/bin/true").exec()));
    denied("reach the network", std::net::TcpStream::connect("127.0.0.1:1"));
    denied("listen on the network", std::net::TcpListener::bind("127.0.0.1:0"));
    denied("send datagrams", std::net::UdpSocket::bind("127.0.0.1:0"));
    denied("listen on a unix socket", UnixListener::bind("/tmp/doorward-proxy-test.sock"));
    denied("start a thread", std::thread::Builder::new().spawn(|| ()));

    use rustix::process::{Pid, Signal, kill_process};
    denied("kill its parent", kill_process(Pid::from_raw(1).unwrap(), Signal::TERM).map_err(Into::into));
    denied(
        "mount",
        rustix::mount::unmount("/proc", rustix::mount::UnmountFlags::empty()).map_err(Into::into),
    );
    denied("set its name", rustix::system::sethostname(b"x").map_err(Into::into));
    denied(
        "change its account",
        rustix::thread::set_thread_uid(rustix::process::Uid::ROOT).map_err(Into::into),
    );
    denied("pin itself", rustix::thread::sched_getaffinity(None).map(drop).map_err(Into::into));

    // What it had before it can still use; that is what the service lives on.
    let mut status = String::new();
    (&open).read_to_string(&mut status).unwrap();
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
        assert!(status.contains(line), "{line} in {status}");
    }
}

fn service_still_works() {
    const BYTES: usize = 1 << 20;
    // Made before the seal: a peer outside, in a process of its own, and a socket to listen on.
    let folder = std::env::current_dir().unwrap();
    let path = folder.join("outside.sock");
    let command = format!("head -c {BYTES} /dev/zero | socat STDIN UNIX-LISTEN:{}", path.display());
    let mut outside = Command::new("sh");
    let outside = outside.args(["-c", &command]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let own = folder.join("inside.sock");
    let listener = UnixListener::bind(&own).unwrap();
    listener.set_nonblocking(true).unwrap();
    while !path.exists() {
        std::thread::yield_now();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(doorward_proxy::seal().unwrap(), Vec::<String>::new());
    let received = runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::UnixListener::from_std(listener).unwrap();
        let (near, far) = tokio::join!(tokio::net::UnixStream::connect(&own), listener.accept());
        far.unwrap().0.write_all(b"served").await.unwrap();
        let mut text = String::new();
        near.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "served");
        let mut bytes = Vec::new();
        // Its socket has a path a moment before it listens.
        let mut outside = loop {
            match tokio::net::UnixStream::connect(&path).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => tokio::task::yield_now().await,
                connected => break connected.unwrap(),
            }
        };
        outside.read_to_end(&mut bytes).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        bytes.len()
    });
    assert_eq!(received, BYTES);
    drop(outside);
}
