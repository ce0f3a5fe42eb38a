//! `submit -- LINE`: a job, which is a run that goes on without the connection that asked for it.

use super::Speaker;
use crate::answer::Answer;
use crate::conversation::Gone;
use crate::delivery::Delivery;
use crate::line::read;
use crate::meaning::Meaning;
use crate::plan::{Plan, judge_list};
use crate::record::Request;
use crate::refuse;
use crate::run::Run;
use crate::word::usage_of;
use doorward_line::List;
use doorward_policy::{BUILT_IN, Policy, Reason, Refusal};
use serde_json::json;
use std::rc::Rc;

impl Speaker<'_> {
    /// Judges the line at once and answers with the id of its run; the rest goes on by itself.
    pub(super) async fn submit(&mut self, mut request: Request, words: &[String]) -> Result<Answer, Gone> {
        let line = match words {
            [dashes, line] if dashes == "--" => line.clone(),
            [dashes, line @ ..] if dashes == "--" && !line.is_empty() => doorward_line::quote(line),
            _ => {
                let wrong = "'submit' takes a line, after '--'".into();
                return self.refuse_usage(request, wrong, "submit").await;
            }
        };
        let (list, plan) = match judge(&self.asking.known.policy, &self.asking.asker.worker, &line) {
            Ok(judged) => judged,
            Err(refusal) => return self.refuse_line(&request, refusal).await,
        };
        let job = Request::job(&self.asking.known, &line, &list, &plan);
        if let Some(operation) = request.operation.as_object_mut() {
            operation.insert("run".into(), json!(job.id.0));
        }
        if let Err(refusal) = self.asking.record_allowed(&request, BUILT_IN).await {
            return self.tell_refusal(&refusal).await;
        }
        match Run::begin(self.asking, &job, plan, Rc::new(Delivery::new(None))).await {
            Ok(run) => {
                tokio::task::spawn_local(async move { run.carry_out(None).await });
                self.asking.record_outcome(&request, 0);
                self.tell_submitted(&job.id.0).await
            }
            Err(refusal) => {
                self.asking.record_outcome(&request, refuse::exit_code(refusal.reason));
                self.refuse_line(&job, refusal).await
            }
        }
    }

    /// A line that is refused is a run, also when it was submitted.
    async fn refuse_line(&mut self, request: &Request, refusal: Refusal) -> Result<Answer, Gone> {
        let told = self.asking.refused(request, refusal, true).await;
        self.tell_refusal(&told).await
    }

    async fn tell_submitted(&mut self, id: &str) -> Result<Answer, Gone> {
        self.outlet.stdout(&format!("{id}\n")).await?;
        let hint = format!(
            "doorward: it goes on by itself: 'runs show {id}' shows how far it is, 'runs wait {id}' waits\n"
        );
        self.outlet.stderr(&hint).await?;
        Ok(Answer::Exit(0))
    }
}

/// A line that may be submitted, and its plan.
fn judge(policy: &Policy, worker: &str, line: &str) -> Result<(List, Plan), Refusal> {
    let (list, plan) = match read(line.as_bytes())? {
        Some(list) => {
            let plan = judge_list(policy, worker, &list)?;
            (list, plan)
        }
        None => {
            return Err(
                Refusal::new(Reason::BadRequest, "there is no line to submit").nearest(usage_of("submit"))
            );
        }
    };
    match plan.single().map(|command| &command.meaning) {
        Some(Meaning::Dial { .. }) => {
            let message = "a connection to the engine cannot go on without its session";
            Err(Refusal::new(Reason::BadRequest, message).nearest(line))
        }
        _ if plan.is_only_words() => {
            let message = "built-in words answer at once; there is nothing that would go on";
            Err(Refusal::new(Reason::BadRequest, message).nearest(line))
        }
        _ => Ok((list, plan)),
    }
}
