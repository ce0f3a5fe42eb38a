//! `doorward audit`: what the log says, and whether it was left as it was written.

use crate::args::{Audit, AuditFilter};
use crate::exit::{BROKEN, FAILED, fail};
use doorward_audit::{Fault, FaultKind, ReadError, Reader, Shown, Verdict, Wanted, render, verify};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// How often `follow` looks for new records.
const POLL: Duration = Duration::from_millis(200);

/// Runs one of the audit commands over the log under `state_dir`.
pub(crate) fn run(state_dir: &Path, what: Option<Audit>) -> u8 {
    let folder = state_dir.join("audit");
    match what.unwrap_or(Audit::List(AuditFilter::default())) {
        Audit::List(filter) => match Reader::open(&folder, wanted(&filter)) {
            Ok(reader) => show(reader, filter.json),
            Err(error) => fail(error),
        },
        Audit::Follow(filter) => match Reader::open(&folder, wanted(&filter)) {
            Ok(reader) => show(reader.follow(POLL), filter.json),
            Err(error) => fail(error),
        },
        Audit::Verify => check(&folder),
    }
}

fn wanted(filter: &AuditFilter) -> Wanted {
    let verdict =
        filter.verdict.as_deref().map(|name| if name == "deny" { Verdict::Deny } else { Verdict::Allow });
    Wanted { worker: filter.worker.clone(), verdict }
}

/// Prints records until there are no more or nobody reads; what cannot be read is told and passed over.
fn show(records: impl Iterator<Item = Result<Shown, ReadError>>, json: bool) -> u8 {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut code = 0;
    for record in records {
        let line = match record {
            Ok(shown) if json => shown.line,
            Ok(shown) => render(&shown.record),
            Err(error) => {
                code = fail(&error);
                continue;
            }
        };
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    code
}

fn check(folder: &Path) -> u8 {
    match verify(folder) {
        Ok(whole) => {
            println!(
                "ok: {} records, {} to {}, last hash {}",
                whole.records, whole.first, whole.last, whole.last_hash
            );
            if whole.unfinished > 0 {
                println!("    and {} bytes of a record that is not yet whole", whole.unfinished);
            }
            0
        }
        // No folder to look into says nothing about the log.
        Err(Fault { segment, kind: FaultKind::Unreadable(error), .. }) if Path::new(&segment) == folder => {
            eprintln!("doorward: audit log {segment}: {error}");
            FAILED
        }
        Err(fault) => {
            eprintln!("doorward: the audit log does not verify: {fault}");
            BROKEN
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_not_there_is_not_called_broken() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(&folder.path().join("audit")), FAILED);
        std::fs::write(folder.path().join("audit-00000000000000000001.jsonl"), "no record\n").unwrap();
        assert_eq!(check(folder.path()), BROKEN);
    }
}
