//! Every key of the policy file: one row each. The shape check, the suggestions, the notices and the
//! reference in `docs/policy.md` are made from this table.

/// What may stand after the `=` of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A list of uids.
    Uids,
    /// `true` or `false`.
    Bool,
    /// A whole number, borders included.
    Whole(i64, i64),
    /// A number above zero.
    Number,
    /// Bytes: `"512KiB"`, `"64MiB"`, `"1GiB"`, `"2TiB"`, or a whole number.
    Size,
    /// Time: `"90s"`, `"10m"`, `"24h"`, `"7d"`, or a whole number of seconds.
    Duration,
    /// Seconds: a whole number, or text as for `Duration`.
    Seconds,
    /// `"all"`, or how many.
    Gpus,
    /// `"any"`, or a list of strings.
    Users,
    /// A table whose keys are the rows beneath.
    Table,
    /// A table with names of the operator's choice; what each holds is the row `NAME.*`.
    Names,
    /// A list of tables whose keys are the rows beneath.
    Rows,
}

impl Kind {
    /// For the reference and for "must be …" messages.
    pub(super) fn words(self) -> String {
        match self {
            Kind::Text => "text".into(),
            Kind::Texts => "a list of texts".into(),
            Kind::Uids => "a list of uids, as whole numbers".into(),
            Kind::Bool => "true or false".into(),
            Kind::Whole(least, most) if least == most => format!("{least}"),
            Kind::Whole(least, i64::MAX) => format!("a whole number from {least}"),
            Kind::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Number => "a number above 0".into(),
            Kind::Size => "a size like \"64MiB\"".into(),
            Kind::Duration => "a duration like \"24h\"".into(),
            Kind::Seconds => "seconds, or a duration like \"90s\"".into(),
            Kind::Gpus => "\"all\", or how many".into(),
            Kind::Users => "\"any\", or a list of texts".into(),
            Kind::Table => "a table".into(),
            Kind::Names => "a table by name".into(),
            Kind::Rows => "a list of tables".into(),
        }
    }
}

/// Whether a key does something in this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    /// Yes.
    Now,
    /// Accepted and checked; it is sshd's configuration that carries it out.
    Sshd,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Path with `*` for a name, like `worker.*.user`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What holds when it is absent; `None`: it must be there.
    pub(super) default: Option<&'static str>,
    pub(super) force: Force,
    /// One line for people.
    pub(super) about: &'static str,
}

const fn must(path: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { path, kind, default: None, force: Force::Now, about }
}
const fn may(path: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { path, kind, default: Some(default), force: Force::Now, about }
}
const fn sshd(path: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { path, kind, default: Some(default), force: Force::Sshd, about }
}

const MANY: i64 = 1_000_000;

use Kind::{
    Bool, Duration, Gpus, Names, Number, Rows, Seconds, Size, Table, Text, Texts, Uids, Users, Whole,
};

/// The table, in the order in which the reference tells it.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    must("version", Whole(1, 1), "The version of this format."),
    may("include", Texts, "none", "Absolute paths of role files. Only the main file includes."),

    may("engine", Table, "", "The Docker Engine."),
    may("engine.socket", Text, "/var/run/docker.sock", "Its socket."),

    may("spawn", Table, "", "The accounts under which workers' commands run. They need no entry in `/etc/passwd`."),
    may("spawn.uids", Text, "60706..60799", "The range that spawn uids are taken from: the first worker of the file takes the first, and so on."),

    may("worker", Names, "none", "One worker; its name is `[a-z][a-z0-9-]*`, at most 32 characters."),
    may("worker.*", Table, "", ""),
    must("worker.*.user", Text, "The Unix account that it logs in with. Unique, and not root."),
    sshd("worker.*.keys", Texts, "none", "Its SSH public keys, as in `authorized_keys`, without options."),
    sshd("worker.*.from", Texts, "anywhere", "Addresses that it may come from: `127.0.0.1/32`."),
    may("worker.*.uids", Uids, "none", "Further uids that may connect to its docker.sock."),
    must("worker.*.roles", Texts, "Names of its roles. An operation is allowed when one of them allows all of it."),
    may("worker.*.spawn_uid", Whole(1000, 4_294_967_293), "by order in the file", "The uid that its commands run as, when it must be a certain one. Unique."),
    may("worker.*.limits", Table, "", "Each limit is counted by itself."),
    may("worker.*.limits.lines", Table, "", "Command lines."),
    may("worker.*.limits.lines.concurrent", Whole(1, MANY), "8", "At one time."),
    may("worker.*.limits.lines.per_minute", Whole(1, MANY), "120", "A minute."),
    may("worker.*.limits.lines.seconds", Seconds, "3600", "Longest that a line may run."),
    may("worker.*.limits.lines.output", Size, "64MiB", "Most output of a line."),
    may("worker.*.limits.reads", Table, "", "Engine API requests that change nothing."),
    may("worker.*.limits.reads.concurrent", Whole(1, MANY), "64", "At one time."),
    may("worker.*.limits.reads.per_minute", Whole(1, MANY), "3000", "A minute."),
    may("worker.*.limits.writes", Table, "", "Engine API requests that change something."),
    may("worker.*.limits.writes.concurrent", Whole(1, MANY), "16", "At one time."),
    may("worker.*.limits.writes.per_minute", Whole(1, MANY), "600", "A minute."),
    may("worker.*.limits.streams", Table, "", "Streams: logs that follow, attach, exec."),
    may("worker.*.limits.streams.concurrent", Whole(1, MANY), "64", "At one time."),

    may("role", Names, "none", "One role; its name is `[a-z][a-z0-9-]*`, at most 64 characters."),
    may("role.*", Table, "", ""),
    may("role.*.about", Text, "\"\"", "What it is for, for people."),
    may("role.*.command", Rows, "none", "One rule each: a command on the host. The first rule that matches says how it runs."),
    must("role.*.command.run", Text, "The usage line that argv is matched with, word by word."),
    may("role.*.command.as", Text, "the worker's spawn uid", "`\"root\"`, or the name of an account."),
    may("role.*.command.groups", Texts, "none", "Supplementary groups."),
    may("role.*.command.caps", Texts, "none", "Linux capabilities, like `net_admin`."),
    may("role.*.command.read", Texts, "none", "Absolute paths beneath which it may read, beyond what the program needs."),
    may("role.*.command.sockets", Texts, "none", "Absolute paths of unix sockets that it may connect to."),
    may("role.*.command.network", Text, "\"audit\"", "`audit`: the host's namespace without inet and packet sockets; `none`: an empty one; `host`."),
    may("role.*.command.seconds", Seconds, "the worker's limit", "Its deadline."),
    may("role.*.command.output", Size, "the worker's limit", "Most output."),
    may("role.*.command.raw", Bool, "false", "Leave control sequences in the output."),
    may("role.*.command.allow", Texts, "none", "Examples that this rule must allow; run at every load."),
    may("role.*.command.deny", Texts, "none", "Examples that this rule must not allow; run at every load."),

    may("role.*.docker", Table, "nothing", "What may be done with the Docker Engine."),
    may("role.*.docker.verbs", Texts, "none", "The docker command's words: `ps` `images` `info` `version` `stats` `top` `logs` `inspect` `history` `wait` `start` `stop` `restart` `kill` `pause` `unpause` `rename` `update` `rm` `rmi` `pull` `tag` `push` `save` `run` `build` `compose` `df` `prune` `events` `network ls` `volume ls`; `exec` has a table of its own."),
    may("role.*.docker.containers", Texts, "[\"own\"]", "Whom the verbs may touch: `own`, names, names with `*`."),
    may("role.*.docker.images", Texts, "none", "Images that may be pulled and run: `busybox:*`."),
    may("role.*.docker.tags", Texts, "none", "Image names that may be built and run, and given, pushed, saved and removed when own."),
    may("role.*.docker.volumes", Texts, "[\"own\"]", "`own`, names, names with `*`."),
    may("role.*.docker.networks", Texts, "[\"own\"]", "`own`: internal networks of its own; `egress`: the default bridge, and own networks that reach out; names."),
    may("role.*.docker.projects", Texts, "none", "Compose projects that the verb `compose` is for: `lab-*`. See [compose](compose.md)."),
    may("role.*.docker.run", Table, "nothing", "All that a new container may ask for."),
    may("role.*.docker.run.gpus", Gpus, "none", "GPUs."),
    may("role.*.docker.run.devices", Texts, "none", "Devices under `/dev`, the same inside and outside."),
    may("role.*.docker.run.binds", Rows, "none", "Host folders that may be mounted."),
    must("role.*.docker.run.binds.host", Text, "The folder on the host; a request must equal it."),
    must("role.*.docker.run.binds.at", Text, "Where it is inside."),
    may("role.*.docker.run.binds.mode", Text, "\"ro\"", "`ro` or `rw`."),
    may("role.*.docker.run.ports", Texts, "none", "Host ports that may be published: `127.0.0.1:8080`, `127.0.0.1:20000-20999`."),
    may("role.*.docker.run.memory", Size, "no cap", "Memory, put on containers that ask for none."),
    may("role.*.docker.run.cpus", Number, "no cap", "CPUs, put on containers that ask for none."),
    may("role.*.docker.run.pids", Whole(1, 4_194_304), "no cap", "Processes, put on containers that ask for none."),
    may("role.*.docker.run.shm", Size, "64MiB by the engine", "`/dev/shm`."),
    may("role.*.docker.run.tmpfs", Size, "no tmpfs", "All tmpfs mounts of a container together."),
    may("role.*.docker.run.ulimits", Names, "none", "Highest values by name; -1 is unlimited."),
    may("role.*.docker.run.ulimits.*", Whole(-1, i64::MAX), "", ""),
    may("role.*.docker.run.users", Users, "\"any\"", "What `--user` may be: uids, `uid:gid` or names."),
    may("role.*.docker.run.count", Whole(1, MANY), "no cap", "Own containers at one time; as many own networks, and four times as many own volumes."),
    may("role.*.docker.run.lifetime", Duration, "no end", "Own containers are stopped when they were made so long ago, and do not start again."),
    may("role.*.docker.run.restart", Texts, "[\"no\"]", "Restart policies: `no`, `on-failure`, `unless-stopped`, `always`."),
    may("role.*.docker.run.stdin", Bool, "false", "Whether stdin may be attached."),
    may("role.*.docker.run.always", Table, "nothing", "Put on every container, asked or not."),
    may("role.*.docker.run.always.no_new_privileges", Bool, "false", "`no-new-privileges`."),
    may("role.*.docker.run.always.cap_drop", Texts, "none", "Capabilities to drop, like `NET_RAW`, or `ALL`."),
    may("role.*.docker.run.always.read_only", Bool, "false", "A read-only root file system."),
    may("role.*.docker.exec", Names, "none", "By container (`own`, a name, a name with `*`): usage lines that may be executed in it. Grants `exec` for these alone."),
    may("role.*.docker.exec.*", Texts, "", ""),

    may("runs", Table, "", "What is kept of every run."),
    may("runs.keep", Table, "", "How much, of runs that are over. What is too old goes; of what is too much, the oldest of the worker who holds most. See [runs](runs.md#for-how-long)."),
    may("runs.keep.days", Whole(1, 36_500), "30", "Since their start."),
    may("runs.keep.size", Size, "10GiB", "Bytes of all saved outputs and of their database. Less where their file system has not so much: a part of it is left free."),
    may("runs.redact", Texts, "built-in patterns alone", "Regular expressions; what they match is replaced by `[redacted]` before anything is kept."),
];

/// The keys that an included file may have; the rest is the main file's.
pub(super) fn may_be_included(key: &Key) -> bool {
    key.path == "version" || key.path == "role" || key.path.starts_with("role.")
}

/// The row of a path.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The rows one level beneath a path; with `""` the top level.
pub(super) fn beneath(path: &str) -> impl Iterator<Item = (&'static str, &'static Key)> {
    KEYS.iter().filter_map(move |key| {
        let rest = match path {
            "" => key.path,
            _ => key.path.strip_prefix(path)?.strip_prefix('.')?,
        };
        (!rest.contains('.')).then_some((rest, key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference's rows as they stand in `docs/policy.md`.
    fn reference() -> String {
        let mut out = "| key | holds | when absent | what it says |\n|---|---|---|---|\n".to_owned();
        for key in KEYS.iter().filter(|key| !key.about.is_empty()) {
            let force = match key.force {
                Force::Now => "",
                Force::Sshd => " *Carried out by sshd's configuration.*",
            };
            let absent = key.default.unwrap_or("**an error**");
            let path = key.path.replace('*', "NAME");
            out += &format!("| `{path}` | {} | {absent} | {}{force} |\n", key.kind.words(), key.about);
        }
        out
    }

    #[test]
    fn the_reference_names_every_verb() {
        let row = KEYS.iter().find(|row| row.path == "role.*.docker.verbs").unwrap();
        for (verb, words) in crate::Verb::ALL {
            assert!(row.about.contains(&format!("`{words}`")), "{verb}");
        }
    }

    #[test]
    fn the_reference_tells_every_key() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once("<!-- keys -->\n").expect("the reference's beginning");
        let (found, after) = rest.split_once("<!-- end of keys -->").expect("the reference's end");
        if std::env::var_os("UPDATE").is_some() {
            let new = format!("{before}<!-- keys -->\n{}<!-- end of keys -->{after}", reference());
            std::fs::write(path, new).unwrap();
            return;
        }
        assert_eq!(found, reference(), "docs/policy.md is not current: run the tests with UPDATE=1");
    }

    #[test]
    fn every_key_stands_beneath_a_key_that_holds_it_and_only_once() {
        for row in KEYS {
            assert_eq!(KEYS.iter().filter(|other| other.path == row.path).count(), 1, "{}", row.path);
            if let Some((above, last)) = row.path.rsplit_once('.') {
                let above = key(above).unwrap_or_else(|| panic!("{} has nothing above it", row.path));
                let fits = if last == "*" {
                    above.kind == Kind::Names
                } else {
                    matches!(above.kind, Kind::Table | Kind::Rows)
                };
                assert!(fits, "{}", row.path);
            }
        }
    }
}
