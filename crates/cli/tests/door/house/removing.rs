//! How a house goes, whatever became of it.

use super::PREFIX;
use crate::host::{self, account_lock, root};
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// TERM first, so that the services can close their log.
pub(super) fn end(child: &mut Child) {
    let pid = child.id().to_string();
    root("kill", &["-TERM", &pid]);
    root("kill", &["-CONT", &pid]); // a test may have stopped it
    for _ in 0..250 {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The worker's own, and containers that a test made for it under its name.
pub(super) fn remove_objects(worker: &str, image: Option<&str>) {
    let script = r#"
        for whose in label=doorward.worker=$1 "name=$1\$"; do
            docker ps -aq --filter "$whose" | xargs -r docker rm -fv
        done
        docker network ls -q --filter label=doorward.worker=$1 | xargs -r docker network rm
        docker volume ls -q --filter label=doorward.worker=$1 | xargs -r docker volume rm
        [ -z "$2" ] || docker image rm -f "$2""#;
    root("/bin/sh", &["-c", script, "sh", worker, image.unwrap_or_default()]);
}

pub(super) fn remove(account: &str, dir: &Path, mounted: bool) {
    if mounted {
        for folder in ["audit", "runs", "."] {
            root("umount", &["-l", &dir.join("state").join(folder).display().to_string()]);
        }
    }
    {
        let _lock = account_lock();
        root("userdel", &["-f", account]);
    }
    let _ = fs::remove_dir_all(dir);
}

/// Removes what tests left whose process was killed: a house's name carries its process id.
pub(super) fn sweep() {
    let Ok(folder) = fs::read_dir("/var/lib") else { return };
    for path in folder.filter_map(|entry| Some(entry.ok()?.path())) {
        let Some(id) = path.to_str().and_then(|path| path.strip_prefix(PREFIX)) else { continue };
        let dead = id.split('x').next().and_then(|pid| pid.parse().ok()).is_some_and(|pid| !host::alive(pid));
        if dead {
            end_all(&path);
            let worker = format!("dw-{id}");
            remove_objects(&worker, Some(&format!("busybox:{worker}")));
            remove(&worker, &path, true);
        }
    }
}

/// Ends what still runs out of a house's folder, also when it was stopped.
fn end_all(dir: &Path) {
    let Some(folder) = dir.to_str() else { return };
    for pid in host::processes(&[&format!("{folder}/")]) {
        root("kill", &["-KILL", &pid.to_string()]);
    }
}
