//! The answer to a build.

use crate::error_text;
use doorward_policy::{Reason, Refusal};
use serde_json::{Value, json};

/// Longest message that is read; a step's output comes in pieces of 32 KiB.
const LONGEST: usize = 1 << 20;
/// What runs a step that names no other shell.
const SHELL: &str = "/bin/sh";
/// Most of a quiet build's output that is kept, to be told when it fails.
const KEPT: usize = 256 << 10;

/// The engine's answer to a build, message by message, as if the worker's own Dockerfile had been built.
#[derive(Debug, Clone)]
pub struct Steps {
    quiet: bool,
    planned: Vec<Step>,
    /// Steps that have begun.
    begun: usize,
    /// Messages of the present step are not told.
    hidden: bool,
    held: Vec<u8>,
    /// Of a quiet build.
    kept: Vec<u8>,
    image: Option<String>,
    /// The engine told of an error.
    failed: bool,
    wrong: bool,
}

/// One step.
#[derive(Debug, Clone)]
struct Step {
    /// The line that the engine was sent.
    line: String,
    /// The line that the worker wrote; none when it did not.
    shown: Option<String>,
}

impl Steps {
    pub(super) fn new(quiet: bool) -> Steps {
        Steps {
            quiet,
            planned: Vec::new(),
            begun: 0,
            hidden: false,
            held: Vec::new(),
            kept: Vec::new(),
            image: None,
            failed: false,
            wrong: false,
        }
    }

    pub(super) fn add(&mut self, line: String, shown: Option<String>) {
        self.planned.push(Step { line, shown });
    }

    /// Takes the engine's next bytes; gives what the worker is sent of them. Keeps little in memory.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.held.extend_from_slice(piece);
            if self.held.ends_with(b"\n") {
                let message = std::mem::take(&mut self.held);
                self.message(&message, &mut out);
            } else if self.held.len() > LONGEST {
                self.held.clear();
                self.wrong = true;
            }
        }
        out
    }

    /// What is left when the answer has ended.
    pub fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let message = std::mem::take(&mut self.held);
        if !message.is_empty() {
            self.message(&message, &mut out);
        }
        if let (true, false, Some(image)) = (self.quiet, self.failed, &self.image) {
            tell(&json!({"stream": format!("{image}\n")}), &mut out);
        }
        out
    }

    /// Whether the engine builds something else than was planned: it is to be ended at once.
    ///
    /// # Errors
    /// When it does.
    pub fn as_planned(&self) -> Result<(), Refusal> {
        match self.wrong {
            false => Ok(()),
            true => {
                let message = "the engine reads the Dockerfile differently, so the build was ended";
                Err(Refusal::new(Reason::EngineMismatch, message))
            }
        }
    }

    /// Whether the last step has begun: what it makes may already be there.
    pub fn is_last(&self) -> bool {
        self.begun >= self.planned.len()
    }

    /// Whether the engine told of an error: then what was made last is not what was asked for.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The id of what was made last, as the engine told it.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// The message that tells a worker of an error.
    pub fn error(message: &str) -> Vec<u8> {
        let mut out = Vec::new();
        tell_error(message, None, &mut out);
        out
    }

    fn message(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Ok(Value::Object(message)) = serde_json::from_slice::<Value>(bytes) else {
            self.wrong |= !bytes.iter().all(u8::is_ascii_whitespace);
            return;
        };
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        if let Some(error) = text("error") {
            self.failed = true;
            out.append(&mut self.kept);
            // Of a step that failed: the docker command ends with it, too.
            let code =
                message.get("errorDetail").and_then(|detail| detail.get("code")).and_then(Value::as_i64);
            tell_error(&error_text::clean(error, &self.said()), code, out);
        } else if let Some(id) = message.get("aux").and_then(|aux| aux.get("ID")).and_then(Value::as_str) {
            self.image = crate::image_name::is_id(id).then(|| id.to_owned());
            tell(&json!({"aux": {"ID": id}}), out);
        } else if let Some(stream) = text("stream") {
            if let Some(stream) = self.stream(stream) {
                self.say(&json!({"stream": stream}), out);
            }
        } else if let Some(status) = text("status") {
            self.say(&json!({"status": status}), out);
        }
    }

    /// A piece of output as the worker is told it.
    fn stream(&mut self, stream: &str) -> Option<String> {
        let total = self.planned.len();
        if let Some(step) = self.planned.get(self.begun) {
            let number = self.begun.saturating_add(1);
            if stream.trim_end() == format!("Step {number}/{total} : {}", step.line).trim_end() {
                let shown = |steps: &[Step]| steps.iter().filter(|step| step.shown.is_some()).count();
                let place = shown(self.planned.get(..number).unwrap_or_default());
                let told =
                    step.shown.as_ref().map(|text| format!("Step {place}/{} : {text}", shown(&self.planned)));
                self.begun = number;
                self.hidden = told.is_none();
                let end = stream.trim_end().len();
                return told.map(|told| told + stream.get(end..).unwrap_or_default());
            }
        }
        // Before a step has begun nothing else can say so: output of steps comes later.
        if self.begun == 0 && stream.starts_with("Step ") {
            self.wrong = true;
            return None;
        }
        if self.is_last() && (stream.starts_with("Successfully ") || stream.starts_with("[Warning]")) {
            self.hidden = false;
        }
        (!self.hidden).then(|| stream.to_owned())
    }

    fn say(&mut self, message: &Value, out: &mut Vec<u8>) {
        match self.quiet {
            false => tell(message, out),
            true if self.kept.len() < KEPT => tell(message, &mut self.kept),
            true => {}
        }
    }

    /// The paths that the Dockerfile says, so that errors may repeat them.
    fn said(&self) -> Vec<String> {
        let words = self
            .planned
            .iter()
            .filter_map(|step| step.shown.as_deref())
            .flat_map(|text| text.split(|c: char| c.is_whitespace() || "\"'`,;()[]{}<>=:".contains(c)));
        words.filter(|word| word.starts_with('/')).chain([SHELL]).map(str::to_owned).collect()
    }
}

fn tell_error(message: &str, code: Option<i64>, out: &mut Vec<u8>) {
    let detail = match code {
        Some(code) => json!({"code": code, "message": message}),
        None => json!({"message": message}),
    };
    out.extend(escaped(&format!("{{\"errorDetail\":{detail},\"error\":{}}}", json!(message))));
}

/// As engines write JSON: what means something to a page is escaped. None of it stands outside of texts.
fn escaped(json: &str) -> Vec<u8> {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)))
            }
            other => out.push(other),
        }
    }
    out.push_str("\r\n");
    out.into_bytes()
}

fn tell(message: &Value, out: &mut Vec<u8>) {
    out.extend(escaped(&message.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(quiet: bool) -> Steps {
        let mut steps = Steps::new(quiet);
        steps.add("FROM abc AS stage-0".into(), Some("from busybox".into()));
        steps.add("RUN true".into(), Some("RUN true".into()));
        steps.add("LABEL doorward.worker=\"w\"".into(), None);
        steps
    }

    fn answer(texts: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for text in texts {
            tell(&json!({"stream": text}), &mut out);
        }
        out
    }

    fn told(bytes: &[u8]) -> String {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice::<Value>(line).unwrap())
            .map(|value| value["stream"].as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect()
    }

    const WHOLE: [&str; 9] = [
        "Step 1/3 : FROM abc AS stage-0",
        "\n",
        "Step 2/3 : RUN true",
        "\n",
        "out of the step\n",
        "Step 3/3 : LABEL doorward.worker=\"w\"",
        "\n",
        " ---> Running in 123\n",
        "Successfully built 123\n",
    ];

    #[test]
    fn a_worker_is_told_of_its_own_lines_alone() {
        let want = "Step 1/2 : from busybox\nStep 2/2 : RUN true\nout of the step\nSuccessfully built 123\n";
        let answer = answer(&WHOLE);
        for size in [1, 7, answer.len()] {
            let mut steps = steps(false);
            let mut got: Vec<u8> = answer.chunks(size).flat_map(|piece| steps.push(piece)).collect();
            got.extend(steps.end());
            assert_eq!(told(&got), want);
            assert!(steps.as_planned().is_ok() && steps.is_last());
        }
    }

    #[test]
    fn another_number_of_steps_or_another_first_step_ends_the_build() {
        for first in
            ["Step 1/4 : FROM abc AS stage-0", "Step 1/3 : FROM other", "Step 1/2 : FROM abc AS stage-0"]
        {
            let mut steps = steps(false);
            assert_eq!(steps.push(&answer(&[first])), b"");
            assert_eq!(
                steps.as_planned().map_err(|refusal| refusal.reason),
                Err(Reason::EngineMismatch),
                "{first}"
            );
        }
    }

    #[test]
    fn what_a_step_prints_is_not_taken_for_a_step() {
        let mut steps = steps(false);
        let got =
            steps.push(&answer(&["Step 1/3 : FROM abc AS stage-0", "Step 9/9 : RUN evil\n", "Step x\n"]));
        assert!(told(&got).ends_with("Step 9/9 : RUN evil\nStep x\n"));
        assert!(steps.as_planned().is_ok() && !steps.is_last());
    }

    #[test]
    fn a_quiet_build_tells_its_image_or_what_went_wrong() {
        let id = format!("sha256:{}", "a".repeat(64));
        let mut good = steps(true);
        let mut all = answer(&WHOLE);
        tell(&json!({"aux": {"ID": id}}), &mut all);
        let mut got = good.push(&all);
        got.extend(good.end());
        assert_eq!(told(&got), format!("{{\"aux\":{{\"ID\":\"{id}\"}}}}{id}\n"));
        assert_eq!(good.image(), Some(id.as_str()));

        let mut bad = steps(true);
        let mut all = answer(WHOLE.get(..5).unwrap());
        tell(&json!({"errorDetail": {"message": "no"}, "error": "no /var/lib/docker/tmp"}), &mut all);
        let mut got = bad.push(&all);
        got.extend(bad.end());
        let told = told(&got);
        assert!(told.contains("out of the step") && told.contains("no [path]"), "{told}");
    }

    #[test]
    fn a_step_that_fails_is_told_with_its_code() {
        let mut steps = steps(false);
        let error = "The command '/bin/sh -c cat /a/b' returned a non-zero code: 3, in /var/lib/docker/x";
        let mut answer = Vec::new();
        tell_error(error, Some(3), &mut answer);
        let got: Value = serde_json::from_slice(&steps.push(&answer)).unwrap();
        assert_eq!(got["errorDetail"]["code"], 3);
        assert_eq!(
            got["error"], "The command '/bin/sh -c cat [path]' returned a non-zero code: 3, in [path]",
            "the file itself says no path here"
        );
    }

    #[test]
    fn what_is_no_message_ends_the_build() {
        let mut steps = steps(false);
        steps.push(b"nonsense\n");
        assert!(steps.as_planned().is_err());
    }
}
