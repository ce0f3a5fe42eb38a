//! What workers save leaves room for all else, and for each other.

use super::retention::{Folder, a_run, an_end, id, noise, now, policy, wait_until};
use crate::store::{Found, Keep, NewRun, Scope, Store, Stream, Unsaved};
use std::path::Path;
use std::process::Command;

const MIB: usize = 1 << 20;

/// A small file system over the folder, unmounted when dropped. `None` without root, said on stderr.
struct Disk<'f>(&'f Path);

impl Disk<'_> {
    fn over<'f>(folder: &'f Folder, options: &str) -> Option<Disk<'f>> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: mounting needs root");
            return None;
        }
        let made = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "doorward-test"])
            .arg(folder.0.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Some(Disk(folder.0.path()))
    }

    fn free(&self) -> usize {
        let facts = rustix::fs::statvfs(self.0).unwrap();
        usize::try_from(facts.f_bavail * facts.f_frsize).unwrap()
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()));
    }
}

/// A run that writes in pieces as large as a session's.
async fn save(store: &Store, worker: &str, id: &str, output: &[u8]) -> Result<(), Unsaved> {
    let run = NewRun { worker: worker.to_owned(), ..a_run(id) };
    let mut recorder = store.begin(run, "r#1".into(), policy()).await?;
    for piece in output.chunks(64 * 1024) {
        recorder.write(Stream::Out, piece.to_vec()).await;
    }
    recorder.finish(an_end()).await
}

async fn is_there(store: &Store, id: &str) -> bool {
    matches!(store.find(Scope::All, id).await.unwrap(), Found::One(_))
}

#[tokio::test]
async fn who_fills_the_disk_with_output_leaves_room_for_the_audit_log_and_for_new_runs() {
    let folder = Folder::new();
    let Some(disk) = Disk::over(&folder, "size=40m,mode=0700") else { return };
    let store = folder.store();
    store.keep(Keep { days: 30, size: 10 << 30 });
    let mut unsaved = 0;
    for number in 0..4 {
        unsaved += usize::from(save(&store, "w", &id(number), &noise(16 * MIB)).await.is_err());
        // What another service writes that shares the file system.
        std::fs::write(folder.0.path().join("audit"), vec![0; 4 * MIB]).unwrap();
    }
    assert!(unsaved > 0, "64 MiB do not fit");
    // One that finds no room has old ones removed for the next.
    let mut tries: u32 = 0;
    while save(&store, "other", &format!("01OTHER{tries}"), b"small\n").await.is_err() {
        tries += 1;
        assert!(tries < 500, "there is no room again: {}", disk.free());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(disk.free() >= 10 * MIB - 64 * 1024, "{}", disk.free());
    drop(store);
}

#[tokio::test]
async fn a_file_system_without_files_to_give_is_made_room_in() {
    let folder = Folder::new();
    let Some(_disk) = Disk::over(&folder, "size=80m,nr_inodes=200,mode=0700") else { return };
    let store = folder.store();
    store.keep(Keep { days: 30, size: 10 << 30 });
    for number in 0..400 {
        let _ = save(&store, "w", &id(number), b"small\n").await;
        std::fs::write(folder.0.path().join("audit"), b"x").unwrap();
    }
    wait_until("some are gone", || folder.files() <= 190);
    drop(store);
}

#[tokio::test]
async fn what_is_read_takes_no_room_once_it_is_deleted_for_want_of_room() {
    let folder = Folder::new();
    let Some(disk) = Disk::over(&folder, "size=40m,mode=0700") else { return };
    let store = folder.store();
    save(&store, "w", &id(0), &noise(12 * MIB)).await.unwrap();
    save(&store, "w", &id(1), &noise(9 * MIB)).await.unwrap();
    let Found::One(run) = store.find(Scope::All, &id(0)).await.unwrap() else { panic!() };
    let _reading = store.output(&run).unwrap();
    std::fs::write(folder.0.path().join("other"), vec![0; disk.free() - 4 * MIB]).unwrap();
    store.keep(Keep { days: 30, size: 10 << 30 });
    wait_until("there is room again", || disk.free() >= 10 * MIB);
    assert!(is_there(&store, &id(1)).await);
    drop(store);
}

#[tokio::test]
async fn who_fills_the_disk_by_other_means_does_not_erase_saved_runs() {
    let folder = Folder::new();
    let Some(disk) = Disk::over(&folder, "size=40m,mode=0700") else { return };
    let store = folder.store();
    store.keep(Keep { days: 30, size: 10 << 30 });
    for number in 0..20 {
        save(&store, "w", &id(number), &noise(MIB)).await.unwrap();
    }
    std::fs::write(folder.0.path().join("other"), vec![0; disk.free() - MIB]).unwrap();
    assert_eq!(save(&store, "w", "01UNSAVED", b"a new one\n").await, Err(Unsaved));
    wait_until("what is beyond a quarter goes", || disk.free() >= 10 * MIB || folder.files() < 12);
    for _ in 0..20 {
        assert!(is_there(&store, &id(19)).await);
    }
    assert!(folder.files() >= 8, "{}", folder.files());
    drop(store);
}

#[tokio::test]
async fn who_saves_much_takes_nothing_from_who_saves_little() {
    let folder = Folder::new();
    let store = folder.store();
    store.keep(Keep { days: 30, size: 3 << 20 });
    for number in 0..5 {
        save(&store, "small", &id(number), &noise(64 * 1024)).await.unwrap();
    }
    for number in 5..12 {
        save(&store, "large", &id(number), &noise(2 * MIB)).await.unwrap();
    }
    wait_until("the large ones are few", || folder.files() <= 6);
    assert_eq!((folder.count("worker = 'small'"), folder.count("worker = 'large'")), (5, 1));
    assert!(is_there(&store, &id(11)).await, "the newest stays");
}

#[tokio::test]
async fn rows_count_for_who_has_them() {
    let folder = Folder::new();
    let store = folder.store();
    store.keep(Keep { days: 30, size: 3 << 20 });
    save(&store, "small", "01SMALL", &noise(256 * 1024)).await.unwrap();
    for number in 0..200 {
        let line = "x".repeat(64 * 1024);
        let run = NewRun { worker: "chatty".into(), line, started: now(), ..a_run(&id(number)) };
        store.refused(run, None, "not_in_policy".into(), "no".into()).await;
    }
    wait_until("lines are deleted", || folder.count("worker = 'chatty'") < 60);
    assert!(is_there(&store, "01SMALL").await);
    assert!(folder.count("worker = 'chatty'") > 20, "no more than needed");
}

#[tokio::test]
async fn who_floods_keeps_nobody_from_looking() {
    use std::cell::Cell;
    use std::rc::Rc;
    const FLOODS: usize = 30;
    let folder = Folder::new();
    let store = folder.store();
    let saved = Rc::new(Cell::new(0_usize));
    let tasks = tokio::task::LocalSet::new();
    for number in 0..FLOODS {
        let mut recorder = store.begin(a_run(&id(number)), "r#1".into(), policy()).await.unwrap();
        let saved = Rc::clone(&saved);
        tasks.spawn_local(async move {
            loop {
                recorder.write(Stream::Out, b"password=x\n".repeat(400)).await;
                saved.set(saved.get() + 1);
            }
        });
    }
    let looked = tasks.run_until(async {
        while saved.get() < 3 * FLOODS {
            tokio::task::yield_now().await;
        }
        let before = saved.get();
        store.list(Scope::All, 5).await.unwrap();
        saved.get() - before
    });
    let pieces = looked.await;
    assert!(pieces < FLOODS / 2, "{pieces} pieces came before the answer");
    drop((tasks, store));
}
