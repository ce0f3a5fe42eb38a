//! Commands in containers, by the role's exec table.

use crate::approved::approve;
use crate::fields::{EXEC_CREATE, EXEC_START};
use crate::judged::Judged;
use crate::objects::{self, Standing, is_full_id, labels, plain_name};
use crate::redact::redacted;
use crate::rules::OWNER;
use crate::{Act, Answer, Decision, Lookup, Shape, walk};
use doorward_policy::{DockerRole, ExecRule, Reason, Refusal, Verb};
use serde_json::{Value, json};

/// `POST /containers/{id}/exec`.
pub(crate) fn create(judged: Judged<'_>) -> Decision {
    let name = judged.request.named();
    let container = judged.facts.about(&Lookup::Container(name.to_owned()));
    let Some(container) = container.filter(|container| visible(container, judged)) else {
        return Decision::absent("container", name);
    };
    create_in(container, judged).unwrap_or_else(Decision::Refuse)
}

fn create_in(container: &Value, judged: Judged<'_>) -> Result<Decision, Refusal> {
    let Judged { request, policy, .. } = judged;
    let body = request.needed_body()?;
    let argv: Vec<&str> =
        body.get("Cmd").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let (rule, role) = rule_for(container, &argv, judged)?;
    let wish = judged.wish(role, body);
    let made =
        walk::judge_fields(EXEC_CREATE, Some(body), &wish, "").map_err(|refusal| refusal.rule(&rule.id))?;
    let id = full_id(container)?;
    let mut approved = approve(request, policy, &rule.id, Verb::Exec);
    approved.objects = vec![id.to_owned()];
    approved.target = judged.target(&format!("/containers/{id}/exec"));
    approved.operation =
        json!({"op": "exec create", "on": plain_name(container), "body": redacted(&made, policy)});
    approved.answer = Answer::pass().said(&made);
    Ok(Decision::forward(approved.with_body(&made)))
}

/// `POST /exec/{id}/start`, `resize`, `GET /exec/{id}/json`: only what this worker made through this proxy,
/// and judged again.
pub(crate) fn existing(judged: Judged<'_>) -> Decision {
    let Judged { request, facts, .. } = judged;
    let id = request.named();
    let exec = facts.about(&Lookup::Exec(id.to_owned()));
    let Some(exec) = exec.filter(|_| facts.execs.contains(id) && is_full_id(id)) else {
        return Decision::absent("exec", id);
    };
    let inside = exec.get("ContainerID").and_then(Value::as_str).unwrap_or_default();
    let container = facts.about(&Lookup::Container(inside.to_owned()));
    let Some(container) = container.filter(|container| visible(container, judged)) else {
        return Decision::absent("exec", id);
    };
    existing_in(id, exec, container, judged).unwrap_or_else(Decision::Refuse)
}

fn existing_in(id: &str, exec: &Value, container: &Value, judged: Judged<'_>) -> Result<Decision, Refusal> {
    let Judged { request, policy, .. } = judged;
    let process = exec.get("ProcessConfig").unwrap_or(&Value::Null);
    let argv: Vec<&str> = process
        .get("entrypoint")
        .into_iter()
        .chain(process.get("arguments").and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let (rule, role) = rule_for(container, &argv, judged)?;
    if process.get("privileged").is_some_and(|privileged| !walk::is_zero(privileged)) {
        return Err(Refusal::new(Reason::FieldNotAllowed, "a privileged command owns the host"));
    }
    let mut approved = approve(request, policy, &rule.id, Verb::Exec);
    approved.objects = vec![id.to_owned(), full_id(container)?.to_owned()];
    let path = request.endpoint().path.replacen("{id}", id, 1);
    approved.target = judged.target(&path);
    approved.operation =
        redacted(&json!({"op": request.endpoint().path, "on": plain_name(container), "argv": argv}), policy);
    approved.answer = Answer::pass().said(&json!(argv));
    match (request.endpoint().act, &request.body) {
        (Act::ExecInspect, _) => approved.answer = Answer::exec(),
        (Act::ExecStart, Some(body)) => {
            let detach = body.get("Detach").and_then(Value::as_bool).unwrap_or_default();
            if detach && request.call.upgrade {
                return Err(Refusal::new(
                    Reason::BadRequest,
                    "a detached command has no stream to upgrade to",
                ));
            }
            let stdin = exec.get("OpenStdin").and_then(Value::as_bool).unwrap_or_default();
            approved.shape = match detach {
                true => Shape::Whole,
                false => Shape::Hijack { stdin: stdin && role.run.stdin },
            };
            let kept = EXEC_START
                .iter()
                .filter_map(|field| Some((field.name.to_owned(), body.get(field.name)?.clone())));
            approved = approved.with_body(&kept.collect::<serde_json::Map<_, _>>().into());
        }
        _ => {}
    }
    Ok(Decision::forward(approved))
}

/// The exec rule that allows a command, and the role that it stands in.
fn rule_for<'a>(
    container: &Value,
    argv: &[&str],
    judged: Judged<'a>,
) -> Result<(&'a ExecRule, &'a DockerRole), Refusal> {
    let owner = labels(container).and_then(|labels| labels.get(OWNER)).and_then(Value::as_str);
    let rule = judged.policy.judge_exec(judged.worker, plain_name(container), owner, argv)?;
    let holds = |role: &&DockerRole| role.exec.values().flatten().any(|own| own.id == rule.id);
    match judged.roles().find(holds) {
        Some(role) => Ok((rule, role)),
        None => Err(Refusal::new(Reason::NotInPolicy, "no exec rule allows this")),
    }
}

/// Whether the worker may know of the container: its own, or one that a selector or the exec table names.
fn visible(container: &Value, judged: Judged<'_>) -> bool {
    let standing = judged.container(container);
    let name = plain_name(container);
    let named = |role: &DockerRole| {
        objects::selects(&role.containers, name, standing)
            || (standing == Standing::Operators && role.exec.keys().any(|own| own == name))
    };
    standing == Standing::Own || judged.roles().any(named)
}

fn full_id(container: &Value) -> Result<&str, Refusal> {
    let id = container.get("Id").and_then(Value::as_str).filter(|id| is_full_id(id));
    id.ok_or_else(|| Refusal::new(Reason::EngineUnavailable, "the engine told no id for the container"))
}
