//! What the tests take from the host: root, the engine, one-at-a-time account changes, its own answers.

use crate::said::Said;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The engine that `./test` brings up.
pub(crate) const ENGINE_SOCKET: &str = "/var/run/docker.sock";

/// Stops a test that cannot prove anything here, instead of letting it pass.
pub(crate) fn require_root() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let root =
        status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    assert!(root, "needs root, for accounts and sandboxes of its own: run ./test as root");
}

/// Runs a program as the tests' own root, with no terminal and no input.
pub(crate) fn root(program: &str, arguments: &[&str]) -> Said {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; ./test brings up what the tests need")).into()
}

/// Looks every 20 ms until `found` says something; `what` is named when it never does.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(begun.elapsed() < limit, "gave up waiting: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Holds the right to change accounts until dropped: `useradd` fails when two run at once.
pub(crate) fn account_lock() -> File {
    let file = File::create("/run/doorward-tests.lock").unwrap();
    file.lock().unwrap();
    file
}

/// A static busybox as an image under this name.
pub(crate) fn make_image(name: &str) {
    let script = r#"
        tree=$(mktemp -d) && mkdir -p $tree/bin $tree/tmp && cp "$(command -v busybox)" $tree/bin/busybox || exit 1
        for applet in $(busybox --list); do [ $applet = busybox ] || ln -s busybox $tree/bin/$applet; done
        tar -c -C $tree . | docker import --change 'CMD ["sh"]' - "$1" >/dev/null; code=$?
        rm -rf $tree; exit $code"#;
    root("/bin/sh", &["-c", script, "sh", name]).worked();
}

/// Whether a process with this id runs; one that ended and waits to be reaped does not.
pub(crate) fn alive(pid: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    !status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}

/// Process ids whose command line holds these words one after the other; empty ones at the ends stand for
/// the words' borders.
pub(crate) fn processes(words: &[&str]) -> Vec<u32> {
    let wanted = words.join("\0");
    let own = std::process::id();
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(&wanted))
        })
        .collect()
}

/// A word that no other test uses at the same time.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
