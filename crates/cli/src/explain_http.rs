//! `doorward explain --http`: what the proxy would say to a worker's raw Engine API requests, and why. The
//! engine is asked what it holds; nothing is done.

use crate::exit::{REFUSED, fail};
use doorward_policy::Refusal;
use doorward_proxy::{Explained, Said};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// Prints the verdict on each request in `file` (`-`: stdin); 0 when all are allowed, 126 when one is not.
pub(crate) fn run(policy: &Path, worker: &str, json: bool, file: &Path) -> u8 {
    let policy = match crate::policy::of_worker(policy, worker) {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    let bytes = match read(file) {
        Ok(bytes) => bytes,
        Err(error) => return fail(format!("{}: {error}", file.display())),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error),
    };
    let unsafe_bind =
        |paths: &[String]| doorward_broker::binds::first_unsafe(&policy, paths).map(|(path, _why)| path);
    let explained = runtime.block_on(doorward_proxy::explain(&policy, worker, &bytes, unsafe_bind));
    for one in &explained {
        let verdict = Verdict::of(one);
        if json { println!("{}", verdict.as_json()) } else { print!("{}", verdict.as_text()) }
    }
    if explained.iter().all(|one| allows(&one.said)) { 0 } else { REFUSED }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}

fn allows(said: &Said) -> bool {
    matches!(said, Said::Allow(_) | Said::Absent(_))
}

/// A verdict as it is shown.
struct Verdict {
    said: Result<Allowed, Refusal>,
    notes: Vec<String>,
}

/// What becomes of a request that is not refused.
struct Allowed {
    rule: Option<String>,
    /// What is answered in the engine's place.
    message: Option<String>,
}

impl Verdict {
    fn of(explained: &Explained) -> Verdict {
        let mut notes: Vec<String> = explained.unknown.iter().map(|what| (*what).to_owned()).collect();
        let said = match &explained.said {
            Said::Allow(rule) => Ok(Allowed { rule: Some(rule.clone()), message: None }),
            Said::Absent(words) => {
                notes.push("the engine's words for an object that does not exist".into());
                Ok(Allowed { rule: None, message: Some(words.clone()) })
            }
            Said::Foreign(words, refusal) => {
                notes.push(refusal.message.clone());
                Err(Refusal { message: words.clone(), ..refusal.clone() })
            }
            Said::Deny(refusal) => Err(refusal.clone()),
        };
        Verdict { said, notes }
    }

    fn as_text(&self) -> String {
        let mut text = match &self.said {
            Ok(Allowed { rule: Some(rule), .. }) => format!("allow: by {rule}\n"),
            Ok(allowed) => {
                format!("allow: answered with: {}\n", allowed.message.as_deref().unwrap_or_default())
            }
            Err(refusal) => doorward_gateway::worded(refusal, "deny:", "  allowed"),
        };
        for note in &self.notes {
            text.push_str(&format!("  {note}\n"));
        }
        text
    }

    fn as_json(&self) -> Value {
        let note = (!self.notes.is_empty()).then(|| self.notes.join("; "));
        match &self.said {
            Ok(allowed) => json!({
                "verdict": "allow", "rule": allowed.rule, "reason": null, "message": allowed.message,
                "nearest": null, "path": null, "note": note,
            }),
            Err(refusal) => json!({
                "verdict": "deny", "rule": refusal.rule, "reason": refusal.reason.code(),
                "message": refusal.message, "nearest": refusal.nearest, "path": refusal.path, "note": note,
            }),
        }
    }
}
