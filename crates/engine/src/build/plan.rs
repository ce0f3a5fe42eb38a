//! What a Dockerfile comes to: its text made anew, with ids for names, and what that must then make.

use super::made::{Below, Made, Mark};
use super::{Planned, Steps};
use crate::dockerfile::{Base, Dockerfile, Instruction, Label, Meaning, Source, Stage, label};
use crate::image::{image_allowed, image_refused};
use crate::image_name::{ImageName, is_id};
use crate::judged::Judged;
use crate::objects::{self, Standing};
use crate::query::shown;
use crate::quota::IMAGES;
use crate::rules::{OWNER, taken_label};
use crate::{Approved, Lookup};
use doorward_policy::{DockerRole, Reason, Refusal};
use serde_json::{Value, json};

/// A build as it is written down.
struct Plan<'a> {
    judged: Judged<'a>,
    role: &'a DockerRole,
    text: String,
    steps: Steps,
    /// Of each stage so far.
    ends: Vec<End>,
    images: Vec<String>,
}

/// What a stage has come to.
#[derive(Clone)]
struct End {
    below: Below,
    marks: Vec<Mark>,
    folder: String,
}

/// Judges the Dockerfile by the role that judged the head, and puts what is to be built into the approval.
pub(super) fn add(
    judged: Judged<'_>,
    role: &DockerRole,
    file: &Dockerfile,
    approved: &mut Approved,
) -> Result<(), Refusal> {
    let query = &judged.request.call.query;
    let target = query.text("target").unwrap_or_default();
    let Some(count) = file.stages_to(target) else {
        let names: Vec<&str> = file.stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
        let message = format!("the Dockerfile has no stage '{}'", shown(target));
        return Err(Refusal::new(Reason::BadRequest, message).path("?target").nearest(names.join(", ")));
    };
    let mut plan = Plan {
        judged,
        role,
        text: String::new(),
        steps: Steps::new(query.flag("q")),
        ends: Vec::new(),
        images: Vec::new(),
    };
    for global in &file.globals {
        plan.instruction(global, None)?;
    }
    for (place, stage) in file.stages.iter().take(count).enumerate() {
        plan.stage(place, stage)?;
        if place.saturating_add(1) == count {
            for (name, value) in query.object("labels") {
                // What cannot be written was refused with the head.
                let asked = label(&name, value.as_str().unwrap_or_default());
                plan.label(
                    &asked.into_iter().collect::<Vec<_>>(),
                    Some(format!("LABEL {name}={}", value.as_str().unwrap_or_default())),
                );
            }
        }
    }
    // Stages that are not the last leave an image without a name each.
    IMAGES.admits(role, judged.facts, count)?;
    let Some(end) = plan.ends.pop() else {
        return Err(Refusal::new(Reason::Internal, "the Dockerfile comes to nothing"));
    };
    if let Some(fields) = approved.operation.as_object_mut() {
        fields.insert("op".into(), json!("image build"));
        fields.insert("images".into(), json!(plan.images));
        fields.insert("steps".into(), crate::redact::redacted(&recorded(&plan.text), judged.policy));
    }
    approved.objects = plan.images;
    if let Some(build) = &mut approved.build {
        let names = query.texts("t").iter().filter_map(|name| ImageName::read(name));
        let made = Made {
            worker: judged.worker.to_owned(),
            names: names.map(|name| name.familiar()).collect(),
            below: end.below,
            marks: end.marks,
        };
        build.planned = Some(Planned { dockerfile: plan.text.into_bytes(), steps: plan.steps, made });
    }
    Ok(())
}

impl Plan<'_> {
    fn stage(&mut self, place: usize, stage: &Stage) -> Result<(), Refusal> {
        let (from, end) = match &stage.base {
            Base::Scratch => (
                "scratch".to_owned(),
                End { below: Below::Nothing, marks: Vec::new(), folder: "/".to_owned() },
            ),
            Base::From(Source::Stage(earlier)) => {
                let Some(end) = self.ends.get(*earlier) else {
                    return Err(Refusal::new(Reason::Internal, "a stage stands on one that is not above it"));
                };
                (stage_name(*earlier), end.clone())
            }
            Base::From(Source::Image(name)) => {
                let image = self.image(name, stage.at)?;
                let id = plain_id(image, stage.at)?;
                let end = End {
                    below: Below::Image(id.clone()),
                    marks: Vec::new(),
                    folder: base_folder(image, stage.at)?,
                };
                (id, end)
            }
        };
        self.ends.push(end);
        self.write(&format!("FROM {from} AS {}", stage_name(place)), Some(stage.text.clone()));
        // Each step leaves an image, whose owner shows in every one. And engines look for a step among the images
        // that were made upon the same one, whosever they are, unless these labels differ.
        self.label(&label(OWNER, self.judged.worker).into_iter().collect::<Vec<_>>(), None);
        stage.instructions.iter().try_for_each(|instruction| self.instruction(instruction, Some(place)))
    }

    /// `None` for what stands before the first stage.
    fn instruction(&mut self, instruction: &Instruction, stage: Option<usize>) -> Result<(), Refusal> {
        let keyword = instruction.keyword;
        let written = match &instruction.meaning {
            Meaning::Words(words) => format!("{keyword} {words}"),
            Meaning::Copy { from: None, rest } => format!("{keyword} {rest}"),
            Meaning::Copy { from: Some(Source::Stage(earlier)), rest } => {
                format!("{keyword} --from={} {rest}", stage_name(*earlier))
            }
            Meaning::Copy { from: Some(Source::Image(name)), rest } => {
                let image = self.image(name, instruction.at)?;
                format!("{keyword} --from={} {rest}", plain_id(image, instruction.at)?)
            }
            Meaning::Labels(labels) => {
                if let Some((label, (start, why))) =
                    labels.iter().find_map(|label| Some((label, taken_label(&label.name)?)))
                {
                    let message =
                        format!("the label '{}' is not allowed: {start}… {why}", shown(&label.name));
                    return Err(refusal(Reason::FieldNotAllowed, instruction.at, message)
                        .nearest("labels of your own, like purpose=bench"));
                }
                self.label(labels, Some(instruction.text.clone()));
                return Ok(());
            }
            Meaning::Folder(path) => {
                self.enter(path, instruction.at)?;
                format!("{keyword} {path}")
            }
        };
        if stage.is_some() {
            self.mark(match keyword {
                "RUN" => Mark::Run,
                other => Mark::Told(other),
            });
        }
        self.write(&written, Some(instruction.text.clone()));
        Ok(())
    }

    fn label(&mut self, labels: &[Label], shown: Option<String>) {
        if labels.is_empty() {
            return;
        }
        let words: Vec<String> =
            labels.iter().map(|label| format!("{}={}", label.name, label.quoted)).collect();
        self.mark(Mark::Told("LABEL"));
        self.write(&format!("LABEL {}", words.join(" ")), shown);
    }

    /// Steps of the image that is made by the last stage so far.
    fn mark(&mut self, mark: Mark) {
        if let Some(end) = self.ends.last_mut() {
            end.marks.push(mark);
        }
    }

    /// One line of the Dockerfile, and one step of the build; told as `shown`, or not at all.
    fn write(&mut self, line: &str, shown: Option<String>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.steps.add(line.to_owned(), shown);
    }

    /// The folder that the steps after this one begin in.
    fn enter(&mut self, path: &str, at: usize) -> Result<(), Refusal> {
        let Some(end) = self.ends.last_mut() else { return Ok(()) };
        end.folder = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("{}/{path}", end.folder.trim_end_matches('/')),
        };
        match is_in_proc(&end.folder) {
            true => {
                Err(refusal(Reason::FieldNotAllowed, at, "no step may begin in /proc")
                    .nearest("WORKDIR /work"))
            }
            false => Ok(()),
        }
    }

    /// An image that may be built from: one that the role has, under this name, and that does nothing by itself.
    fn image(&mut self, asked: &str, at: usize) -> Result<&'_ Value, Refusal> {
        let Judged { facts, worker, .. } = self.judged;
        let place = |refusal: Refusal| refusal.path(format!("Dockerfile line {at}"));
        let name = ImageName::read(asked);
        let found = facts.about(&Lookup::Image(asked.to_owned()));
        let found = match (found, name) {
            (Some(found), _) if image_allowed(found, asked, self.role) => found,
            (None, Some(name)) if name.allowed(self.role) => {
                let message = format!("the image {} is not here, and a build pulls nothing", name.familiar());
                return Err(refusal(Reason::ObjectNotAllowed, at, message)
                    .nearest(format!("docker pull {}", name.familiar())));
            }
            _ => return Err(place(image_refused(self.role))),
        };
        if Standing::of(objects::labels(found), worker) == Standing::Foreign {
            return Err(place(image_refused(self.role)));
        }
        let triggers = found.get("Config").and_then(|config| config.get("OnBuild")).and_then(Value::as_array);
        if triggers.is_some_and(|triggers| !triggers.is_empty()) {
            let message = "this image adds steps to what is built from it (ONBUILD)";
            return Err(refusal(Reason::ImageNotAllowed, at, message).nearest("an image without ONBUILD"));
        }
        if let Some(id) = found.get("Id").and_then(Value::as_str)
            && !self.images.iter().any(|known| known == id)
        {
            self.images.push(id.to_owned());
        }
        Ok(found)
    }
}

/// The first lines of a Dockerfile for the record, without the values of variables.
fn recorded(text: &str) -> Value {
    const LINES: usize = 64;
    const LONGEST: usize = 200;
    let lines = text.lines().take(LINES).map(|line| match line.split_once(' ') {
        Some((keyword @ ("ENV" | "ARG"), rest)) => {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            format!("{keyword} {name}=[redacted]")
        }
        _ => line.chars().take(LONGEST).collect(),
    });
    lines.collect::<Vec<_>>().into()
}

/// An id without its algorithm: no engine takes it for the name of an image to be pulled.
fn plain_id(image: &Value, at: usize) -> Result<String, Refusal> {
    let id = image.get("Id").and_then(Value::as_str).filter(|id| is_id(id));
    let hex = id.and_then(|id| id.strip_prefix("sha256:")).filter(|hex| hex.len() == 64);
    hex.map(str::to_owned)
        .ok_or_else(|| refusal(Reason::EngineUnavailable, at, "the engine told no id for the image"))
}

fn base_folder(image: &Value, at: usize) -> Result<String, Refusal> {
    let folder = image.get("Config").and_then(|config| config.get("WorkingDir")).and_then(Value::as_str);
    let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or("/");
    let clean = folder == "/" || crate::uri::is_clean(folder.trim_end_matches('/'));
    match clean && !is_in_proc(folder) {
        true => Ok(folder.to_owned()),
        false => {
            Err(refusal(Reason::ImageNotAllowed, at, "the image's working folder is not one to begin in"))
        }
    }
}

fn is_in_proc(folder: &str) -> bool {
    folder == "/proc" || folder.starts_with("/proc/")
}

fn stage_name(place: usize) -> String {
    format!("stage-{place}")
}

fn refusal(reason: Reason, at: usize, message: impl Into<String>) -> Refusal {
    Refusal::new(reason, message).path(format!("Dockerfile line {at}"))
}
