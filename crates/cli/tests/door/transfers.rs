//! The clients that copy files over ssh, against a house that moves none: each fails, shows why in doorward's own
//! words, and leaves no file.

use crate::house::{House, Plan};
use crate::said::Said;
use std::path::Path;
use std::process::{Command, Stdio};

/// What doorward says to the protocol of this name.
const REFUSED: &str = "doorward: refused (not_in_policy): this account moves no files (NAME)";
/// What `scp` shows of sftp's answers: it has no place for the words.
const DENIED: &str = "Permission denied";

/// A client's program and words; what doorward calls its protocol, when the client can show it.
type Client = (&'static str, &'static [&'static str], Option<&'static str>);

const CLIENTS: [Client; 10] = [
    ("scp", &["-F", "CONFIG", "-s", "SOURCE", "worker:TARGET"], None),
    ("scp", &["-F", "CONFIG", "-s", "worker:/etc/passwd", "FETCHED"], None),
    ("scp", &["-F", "CONFIG", "-O", "SOURCE", "worker:TARGET"], Some("scp")),
    ("scp", &["-F", "CONFIG", "-O", "worker:/etc/passwd", "FETCHED"], Some("scp")),
    ("scp", &["-F", "CONFIG", "-s", "-r", "SOURCES", "worker:TARGET"], Some("sftp")),
    ("sftp", &["-F", "CONFIG", "worker:/etc/passwd", "FETCHED"], Some("sftp")),
    ("rsync", &["-e", "ssh -F CONFIG", "SOURCE", "worker:TARGET"], Some("rsync")),
    ("rsync", &["-a", "-e", "ssh -F CONFIG", "worker:/etc/", "FETCHED"], Some("rsync")),
    ("git", &["clone", "worker:repository", "FETCHED"], Some("git")),
    ("git", &["-C", "REPOSITORY", "push", "worker:repository", "HEAD:refs/heads/main"], Some("git")),
];

#[test]
fn with_the_drop_in_each_client_fails_and_shows_why() {
    for sftp in ["/usr/lib/openssh/sftp-server", "internal-sftp"] {
        let house = House::new(Plan { sftp, ..Plan::default() });
        each_fails(&house, |name| REFUSED.replace("NAME", name));
        for (typed, name) in [("scp -qt /tmp", "scp"), ("scp -rpt /tmp", "scp"), ("sftp", "sftp")] {
            let said = house.ssh(typed).refused("not_in_policy");
            assert!(said.stderr.contains(&REFUSED.replace("NAME", name)), "{typed}: {said:#?}");
        }
        house.ssh("whoami").worked();
    }
}

/// The account's shell alone, which looks for the services where they are by default: there are none, or they are
/// of this host's own doorward, which does not know the account. (With `internal-sftp`, sshd would serve files
/// itself and ask no shell: the book says so.)
#[test]
fn without_the_drop_in_each_client_fails_as_well() {
    let house = House::new(Plan { forced: false, ..Plan::default() });
    let reason = match Path::new("/run/doorward/gateway.sock").exists() {
        true => "unknown_worker",
        false => "gateway_unavailable",
    };
    each_fails(&house, |_| format!("doorward: refused ({reason}): "));
}

fn each_fails(house: &House, sentence: impl Fn(&str) -> String) {
    make_repository(&house.dir.join("client/repository"));
    let fetched = house.dir.join("client/fetched");
    let target = format!("/tmp/doorward-test-{}", house.worker);
    for (program, words, name) in CLIENTS {
        let words: Vec<String> = words.iter().map(|word| here(word, house, &target)).collect();
        let said = client(house, program, &words);
        assert_ne!(said.code, 0, "{program} {words:?}: {said:#?}");
        let shown = name.map_or_else(|| DENIED.to_owned(), &sentence);
        assert!(said.stderr.contains(&shown), "{program} {words:?} should show {shown}: {said:#?}");
        for path in [Path::new(&target), &fetched] {
            assert!(!path.exists(), "{program} {words:?} made {}", path.display());
        }
    }
}

/// A word of the table with this house's paths in it.
fn here(word: &str, house: &House, target: &str) -> String {
    let client = |name: &str| house.dir.join("client").join(name).display().to_string();
    word.replace("CONFIG", &client("config"))
        .replace("SOURCES", &client("bin"))
        .replace("SOURCE", &client("known_hosts"))
        .replace("FETCHED", &client("fetched"))
        .replace("REPOSITORY", &client("repository"))
        .replace("TARGET", target)
}

fn client(house: &House, program: &str, words: &[String]) -> Said {
    let ssh = format!("/usr/bin/ssh -F {}", house.dir.join("client/config").display());
    let mut command = Command::new(program);
    command.args(words).env("GIT_SSH_COMMAND", ssh).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{program}: {error}; ./test installs it")).into()
}

fn make_repository(folder: &Path) {
    let folder = folder.display().to_string();
    let git = |words: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-C", &folder];
        crate::host::root("git", &[&who[..], words].concat()).worked();
    };
    crate::host::root("git", &["init", "-q", &folder]).worked();
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
}
