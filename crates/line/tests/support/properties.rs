//! What holds for whatever is sent. The property tests and the fuzz targets share this file.
#![allow(
    dead_code,
    clippy::panic,
    reason = "each of those that share it uses a part; a property that fails panics"
)]

use doorward_line::{Agent, Line, MAX_AGENT, MAX_STAGES, MAX_WORD, MAX_WORDS, agent, read};
use doorward_policy::{Refusal, is_clean};

const HOME: &str = "/home/ai-worker";

/// Any bytes are a line within the limits, which is shown as a line that means the same, or a refusal that
/// is one clean line and says what to do instead.
pub(crate) fn of_line(bytes: &[u8]) {
    let list = match read(bytes) {
        Ok(Line::List(list)) => list,
        Ok(Line::Greeting) => return,
        Err(refusal) => return of_refusal(&refusal),
    };
    let words: Vec<&String> = list.stages().flat_map(|stage| stage.command.words()).collect();
    assert!(words.len() <= MAX_WORDS);
    assert!(words.iter().all(|word| word.len() <= MAX_WORD && is_clean(word)));
    assert!(list.stages().all(|stage| !stage.command.argv().is_empty()));
    let pipelines = std::iter::once(&list.first).chain(list.rest.iter().map(|(_, pipeline)| pipeline));
    assert!(pipelines.into_iter().all(|pipeline| (1..=MAX_STAGES).contains(&pipeline.stages.len())));
    let shown = list.to_string();
    // A shell in a shell is a command like any other; alone on a line it would be the line that it is given.
    if !shown.starts_with("bash ") {
        assert_eq!(read(shown.as_bytes()), Ok(Line::List(list)), "{shown:?}");
    }
}

fn of_refusal(refusal: &Refusal) {
    assert!(is_clean(&refusal.to_string()), "{refusal:?}");
    assert!(refusal.nearest.is_some(), "{refusal:?}");
}

/// Any bytes are something that an agent asks, or not; what is taken out of them was in them.
pub(crate) fn of_agent(bytes: &[u8]) {
    let Some(agent) = agent(bytes, HOME) else { return };
    let text = String::from_utf8_lossy(bytes);
    let shell = match agent {
        Agent::Wrapped { line, shell } => {
            assert!(line.len() <= text.len());
            shell
        }
        Agent::Background { line, shell } => {
            assert!(text.contains('&') && line.len() <= text.len());
            shell
        }
        Agent::Snapshot(shell) => shell,
        _ => return,
    };
    assert!(text.contains(&shell.marker) && is_clean(&shell.cwd), "{shell:?}");
    assert_eq!(shell.marker.len(), 12);
}

/// Whatever a command is, it comes out of a wrapper as it was put in.
pub(crate) fn of_wrapped(command: &str) {
    let sent = wrapped(command);
    if sent.len() > MAX_AGENT {
        return;
    }
    match agent(sent.as_bytes(), HOME) {
        Some(Agent::Wrapped { line, shell }) => {
            assert_eq!((line.as_str(), shell.cwd.as_str()), (command, HOME));
        }
        Some(Agent::Background { line, .. }) => {
            assert!(command.contains('&') && line.len() < command.len(), "{command:?} as {line:?}");
        }
        other => panic!("{command:?} is {other:?}"),
    }
}

/// What Hermes sends for a command before it has a snapshot.
fn wrapped(command: &str) -> String {
    let mark = "__HERMES_CWD_0123456789ab__";
    let script = [
        "builtin cd -- ~ || exit 126",
        &format!("eval '{}'", command.replace('\'', r"'\''")),
        "__hermes_ec=$?",
        "umask 077",
        &format!(r#"printf '\n{mark}%s{mark}\n' "$(pwd -P)""#),
        "exit $__hermes_ec",
    ]
    .join("\n");
    format!("bash -l -c '{}'", script.replace('\'', r#"'"'"'"#))
}
