//! The operator's arguments.

use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;

/// Where the services' sockets are, unless told otherwise.
pub(crate) const RUNTIME_DIR: &str = "/run/doorward";

/// Lets an AI worker operate this host without being able to own it.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) folders: Folders,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where things are.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Folders {
    /// The policy file.
    #[arg(long, global = true, default_value = "/etc/doorward/policy.toml")]
    pub(crate) policy: PathBuf,
    /// The folder of the audit log and of saved runs.
    #[arg(long, global = true, default_value = "/var/lib/doorward")]
    pub(crate) state_dir: PathBuf,
    /// The folder of the sockets.
    #[arg(long, global = true, default_value = RUNTIME_DIR)]
    pub(crate) runtime_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run broker, gateway and proxy in this terminal
    Serve {
        /// Serve although this host's kernel lacks what the sandbox needs; `status` says what
        #[arg(long)]
        allow_weaker: bool,
    },
    /// Run the broker: judges again, records, executes
    Broker(BrokerOptions),
    /// Run the gateway: sessions, lines, runs
    Gateway(ServiceOptions),
    /// Run the proxy: workers' Engine API sockets
    Proxy(ServiceOptions),
    /// Validate a policy and run its own examples
    Check {
        /// The policy file; otherwise `--policy`
        file: Option<PathBuf>,
        /// As data
        #[arg(long)]
        json: bool,
    },
    /// Say what would happen to a worker's line or raw request, and why; nothing is done
    Explain {
        /// The worker's name in the policy
        #[arg(long)]
        worker: String,
        /// As data
        #[arg(long)]
        json: bool,
        /// A file with raw Engine API requests, as they come on the worker's docker.sock; `-` for stdin
        #[arg(long, value_name = "FILE", conflicts_with = "line")]
        http: Option<PathBuf>,
        /// The line, as the worker would write it after `ssh host`
        #[arg(last = true, required_unless_present = "http")]
        line: Vec<String>,
    },
    /// Show services, workers, and what is weaker on this host
    Status {
        /// As data
        #[arg(long)]
        json: bool,
    },
    /// List saved runs of all workers; `runs show|wait|cancel ID`, `runs export [ID…] [--format json|csv|tar]`
    Runs(Runs),
    /// Read the audit log
    Audit {
        #[command(subcommand)]
        what: Option<Audit>,
    },
    /// One worker's session, started by sshd
    Session {
        /// Fingerprint of the key, for `authorized_keys command="doorward session --key …"`
        #[arg(long)]
        key: Option<String>,
    },
}

/// The gateway reads these words; the program has to know which of the options are for it.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Runs {
    /// Like `show 01J…`
    words: Vec<String>,
    /// For `wait`: how long at most, like `120s`
    #[arg(long)]
    timeout: Option<String>,
    /// For `export`: `json`, `csv` or `tar`
    #[arg(long)]
    format: Option<String>,
}

impl Runs {
    /// As a worker would write them.
    pub(crate) fn words(self) -> Vec<String> {
        let options = [("--timeout", self.timeout), ("--format", self.format)];
        let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        self.words.into_iter().chain(given.flatten()).collect()
    }
}

/// What to do with the audit log.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Audit {
    /// One line a record
    List {
        #[command(flatten)]
        filter: AuditFilter,
        /// Only the newest N
        #[arg(short = 'n', long, value_name = "N")]
        newest: Option<usize>,
    },
    /// The same, and go on with new records
    Follow(AuditFilter),
    /// Check the chain of all records
    Verify,
}

#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct AuditFilter {
    /// Only this worker's
    #[arg(long)]
    pub(crate) worker: Option<String>,
    /// Only `allow` or `deny`
    #[arg(long, value_parser = ["allow", "deny"])]
    pub(crate) verdict: Option<String>,
    /// Only what was refused: the same as `--verdict deny`
    #[arg(long, conflicts_with = "verdict")]
    pub(crate) denied: bool,
    /// Only from then on: so long ago, like `90m` or `2d`, or a time, like `2026-01-02` or `2026-01-02T03:04` (UTC)
    #[arg(long, value_name = "DURATION|TIME", value_parser = since)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// The records as they stand in the log
    #[arg(long)]
    pub(crate) json: bool,
}

/// How `serve` starts gateway and proxy; under systemd none of it is needed.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct ServiceOptions {
    /// Drop to this account first: `UID:GID`
    #[arg(long, hide = true, value_parser = identity)]
    pub(crate) run_as: Option<(u32, u32)>,
    /// End when the parent ends
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

/// Whom the broker serves.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct BrokerOptions {
    /// The gateway's account: `UID:GID`; otherwise that of `doorward`
    #[arg(long, value_parser = identity)]
    pub(crate) gateway: Option<(u32, u32)>,
    /// The proxy's account: `UID:GID`; otherwise that of `doorward-proxy`
    #[arg(long, value_parser = identity)]
    pub(crate) proxy: Option<(u32, u32)>,
    /// Serve although the kernel lacks what the sandbox needs
    #[arg(long)]
    pub(crate) allow_weaker: bool,
    /// End when the parent ends
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

fn identity(text: &str) -> Result<(u32, u32), String> {
    let (uid, gid) = text.split_once(':').ok_or("expected UID:GID")?;
    let number = |part: &str| part.parse().map_err(|_| format!("`{part}` is not a number"));
    Ok((number(uid)?, number(gid)?))
}

/// A time, or so long ago.
pub(crate) fn since(text: &str) -> Result<jiff::Timestamp, String> {
    let ago =
        doorward_policy::duration(text).and_then(|seconds| i64::try_from(seconds).ok()).and_then(|seconds| {
            jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(seconds)).ok()
        });
    let in_utc = || format!("{}Z", text.parse::<jiff::civil::DateTime>().ok()?).parse().ok();
    ago.or_else(|| text.parse().ok())
        .or_else(in_utc)
        .ok_or_else(|| "expected a duration like 90m or 2d, or a time like 2026-01-02T03:04".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        Args::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_programs_options_may_stand_before_between_and_after_the_words() {
        for line in [
            "doorward --policy p --state-dir s --runtime-dir r runs show 01",
            "doorward runs --policy p --state-dir s --runtime-dir r show 01",
            "doorward runs show --policy=p --state-dir=s --runtime-dir=r 01",
            "doorward runs show 01 --policy p --state-dir s --runtime-dir r",
        ] {
            let Args { folders, command } = parse(line);
            let paths = [folders.policy, folders.state_dir, folders.runtime_dir];
            assert_eq!(paths, ["p", "s", "r"].map(PathBuf::from), "{line}");
            let Command::Runs(runs) = command else { panic!("{line}") };
            assert_eq!(runs.words(), ["show", "01"], "{line}");
        }
        for line in [
            "doorward status --json --runtime-dir r",
            "doorward check file --json --runtime-dir r",
            "doorward audit list --json --runtime-dir r",
            "doorward explain --worker w --runtime-dir r -- docker ps --policy x",
        ] {
            assert_eq!(parse(line).folders.runtime_dir, PathBuf::from("r"), "{line}");
        }
    }

    #[test]
    fn options_of_runs_reach_the_gateway_wherever_they_stand() {
        for (line, words) in [
            ("doorward runs", ""),
            ("doorward runs 20", "20"),
            ("doorward runs wait --timeout 5s 01 --runtime-dir r", "wait 01 --timeout 5s"),
            ("doorward runs export --format tar 01 02", "export 01 02 --format tar"),
            ("doorward runs export --runtime-dir r --format csv", "export --format csv"),
        ] {
            let Command::Runs(runs) = parse(line).command else { panic!("{line}") };
            assert_eq!(runs.words().join(" "), words, "{line}");
        }
        assert!(Args::try_parse_from(["doorward", "runs", "show", "01", "--colour"]).is_err());
    }

    #[test]
    fn the_audit_log_is_listed_by_number_worker_verdict_and_time() {
        let parsed = parse("doorward audit list -n 20 --worker w --denied --since 2h --json");
        let Command::Audit { what: Some(Audit::List { filter, newest }) } = parsed.command else { panic!() };
        assert_eq!(
            (newest, filter.worker.as_deref(), filter.denied, filter.json),
            (Some(20), Some("w"), true, true)
        );
        assert!(filter.since.is_some());
        assert!(Args::try_parse_from(["doorward", "audit", "list", "--since", "soon"]).is_err());
        for text in ["yesterday", "", "999999999d"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
