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
    /// Say what would happen to a worker's line, and why; nothing is done
    Explain {
        /// The worker's name in the policy
        #[arg(long)]
        worker: String,
        /// As data
        #[arg(long)]
        json: bool,
        /// The line, as the worker would write it after `ssh host`
        #[arg(last = true, required = true)]
        line: Vec<String>,
    },
    /// Show services, workers, and what is weaker on this host
    Status {
        /// As data
        #[arg(long)]
        json: bool,
    },
    /// List saved runs of all workers; `runs show|wait|cancel ID`, `runs export [ID…] [--format json|csv|tar]`
    Runs {
        /// Like `show 01J…`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
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

/// What to do with the audit log.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Audit {
    /// One line a record
    List(AuditFilter),
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
