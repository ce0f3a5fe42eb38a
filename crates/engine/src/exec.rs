//! Commands in containers, by the role's exec table.

use crate::approved::approve;
use crate::create::with_body;
use crate::fields::{EXEC_CREATE, EXEC_START};
use crate::objects::{self, Standing, is_full_id, labels, plain_name};
use crate::redact::redacted;
use crate::rules::{Mode, OWNER, Wish};
use crate::{Act, Answer, Decision, Facts, Lookup, Request, Shape, walk};
use doorward_policy::{DockerRole, ExecRule, Policy, Reason, Refusal};
use serde_json::{Value, json};

/// `POST /containers/{id}/exec`.
pub(crate) fn create(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    let name = request.named();
    let container = facts.found.get(&Lookup::Container(name.to_owned())).and_then(Option::as_ref);
    let Some(container) = container.filter(|container| visible(container, policy, worker)) else {
        return Decision::absent("container", name);
    };
    match create_in(container, request, facts, policy, worker) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn create_in(
    container: &Value,
    request: &Request,
    facts: &Facts,
    policy: &Policy,
    worker: &str,
) -> Result<Decision, Refusal> {
    let body = request.needed_body()?;
    let argv: Vec<&str> =
        body.get("Cmd").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let (rule, role) = rule_for(container, &argv, policy, worker)?;
    let version = request.version();
    let wish = Wish { role, policy, worker, facts, version, mode: Mode::New, body, image: None };
    let made =
        walk::judge_fields(EXEC_CREATE, Some(body), &wish, "").map_err(|refusal| refusal.rule(&rule.id))?;
    let id = full_id(container)?;
    let mut approved = approve(request, policy, &rule.id, "exec");
    approved.objects = vec![id.to_owned()];
    approved.target = format!("/v{version}/containers/{id}/exec");
    approved.operation =
        json!({"op": "exec create", "on": plain_name(container), "body": redacted(&made, policy)});
    approved.answer = Answer::pass().said(&made);
    Ok(Decision::forward(with_body(approved, &made)))
}

/// `POST /exec/{id}/start`, `resize`, `GET /exec/{id}/json`: only what this worker made through this proxy,
/// and judged again.
pub(crate) fn existing(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    let id = request.named();
    let exec = facts.found.get(&Lookup::Exec(id.to_owned())).and_then(Option::as_ref);
    let Some(exec) = exec.filter(|_| facts.execs.contains(id) && is_full_id(id)) else {
        return Decision::absent("exec", id);
    };
    let inside = exec.get("ContainerID").and_then(Value::as_str).unwrap_or_default();
    let container = facts.found.get(&Lookup::Container(inside.to_owned())).and_then(Option::as_ref);
    let Some(container) = container.filter(|container| visible(container, policy, worker)) else {
        return Decision::absent("exec", id);
    };
    match existing_in(id, exec, container, request, policy, worker) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn existing_in(
    id: &str,
    exec: &Value,
    container: &Value,
    request: &Request,
    policy: &Policy,
    worker: &str,
) -> Result<Decision, Refusal> {
    let process = exec.get("ProcessConfig").unwrap_or(&Value::Null);
    let argv: Vec<&str> = process
        .get("entrypoint")
        .into_iter()
        .chain(process.get("arguments").and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let (rule, role) = rule_for(container, &argv, policy, worker)?;
    if process.get("privileged").is_some_and(|privileged| !walk::is_zero(privileged)) {
        return Err(Refusal::new(Reason::FieldNotAllowed, "a privileged command owns the host"));
    }
    let mut approved = approve(request, policy, &rule.id, "exec");
    approved.objects = vec![id.to_owned(), full_id(container)?.to_owned()];
    let path = request.endpoint().path.replacen("{id}", id, 1);
    approved.target = format!("/v{}{path}{}", request.version(), request.call.query.render(&[]));
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
            approved = with_body(approved, &kept.collect::<serde_json::Map<_, _>>().into());
        }
        _ => {}
    }
    Ok(Decision::forward(approved))
}

/// The exec rule that allows a command, and the role that it stands in.
fn rule_for<'p>(
    container: &Value,
    argv: &[&str],
    policy: &'p Policy,
    worker: &str,
) -> Result<(&'p ExecRule, &'p DockerRole), Refusal> {
    let owner = labels(container).and_then(|labels| labels.get(OWNER)).and_then(Value::as_str);
    let rule = policy.judge_exec(worker, plain_name(container), owner, argv)?;
    let holds = |role: &&DockerRole| role.exec.values().flatten().any(|own| own.id == rule.id);
    match objects::roles(policy, worker).find(holds) {
        Some(role) => Ok((rule, role)),
        None => Err(Refusal::new(Reason::NotInPolicy, "no exec rule allows this")),
    }
}

/// Whether the worker may know of the container: its own, or one that a selector or the exec table names.
fn visible(container: &Value, policy: &Policy, worker: &str) -> bool {
    let standing = Standing::of(labels(container), worker);
    let name = plain_name(container);
    let named = |role: &DockerRole| {
        objects::selects(&role.containers, name, standing)
            || (standing == Standing::Operators && role.exec.keys().any(|own| own == name))
    };
    standing == Standing::Own || objects::roles(policy, worker).any(named)
}

fn full_id(container: &Value) -> Result<&str, Refusal> {
    let id = container.get("Id").and_then(Value::as_str).filter(|id| is_full_id(id));
    id.ok_or_else(|| Refusal::new(Reason::EngineUnavailable, "the engine told no id for the container"))
}
