//! The program: arguments, output, wiring. No decisions.
#![forbid(unsafe_code)]

mod args;
mod audit;
mod check;
mod exit;
mod explain;
mod explain_http;
mod policy;
mod serve;
mod services;
mod session;
mod sftp;
mod shell;
mod sshd;

use args::{Command, Folders};
use clap::Parser;
use doorward_wire::session::{FromSession, Hello, Operator};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let own = std::env::current_exe().unwrap_or_default();
    let original = std::env::var_os("SSH_ORIGINAL_COMMAND");
    // Before anything else is looked at: a login shell has no other way in.
    if let Some(session) = shell::read(&args, &own, original, Path::new(args::RUNTIME_DIR)) {
        return ExitCode::from(session::run(&session));
    }
    ExitCode::from(command(args::Args::parse_from(args)))
}

fn command(args: args::Args) -> u8 {
    let folders = args.folders;
    match args.command {
        Command::Serve { allow_weaker } => serve::run(&folders, allow_weaker),
        Command::Broker(options) => services::broker(&folders, &options),
        Command::Gateway(options) => services::gateway(&folders, &options),
        Command::Proxy(options) => services::proxy(&folders, &options),
        Command::Check { file, json } => {
            check::run(file.as_deref().unwrap_or(&folders.policy), &folders.state_dir, json)
        }
        Command::Explain { worker, json, http: Some(file), .. } => {
            explain_http::run(&folders.policy, &worker, json, &file)
        }
        Command::Explain { worker, json, line, .. } => explain::run(&folders.policy, &worker, json, &line),
        Command::Status { json } => operator(&folders, Operator::Status { json }),
        Command::Runs(runs) => operator(&folders, Operator::Runs { words: runs.words() }),
        Command::Audit { what } => audit::run(&folders.state_dir, what),
        Command::Session { key } => session::run(&shell::Session {
            runtime_dir: folders.runtime_dir,
            key,
            line: std::env::var_os("SSH_ORIGINAL_COMMAND")
                .map(OsString::into_encoded_bytes)
                .unwrap_or_default(),
            as_shell: false,
        }),
    }
}

/// Asks the gateway something as the operator, and shows the answer.
fn operator(folders: &Folders, ask: Operator) -> u8 {
    let hello = Hello { protocol: doorward_wire::PROTOCOL, ..Hello::default() };
    let frames = [FromSession::Hello(hello), FromSession::Operator(ask)];
    session::converse_as_operator(&folders.runtime_dir, &frames)
}
