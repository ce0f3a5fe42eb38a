//! Endpoints on images.

use crate::approved::rule;
use crate::image::{asked_image_refused, image_allowed, image_names};
use crate::image_name::{ImageName, is_id};
use crate::judged::Judged;
use crate::objects;
use crate::own_images::is_own;
use crate::{Act, Answer, Approved, Decision, Lookup, uri};
use doorward_policy::{DockerRole, Reason, Refusal, Verb};
use serde_json::{Value, json};

/// `GET /images/{name}/json` and `/history`.
pub(crate) fn look(judged: Judged<'_>) -> Decision {
    let asked = judged.request.named();
    let Some(found) = visible(asked, judged) else { return absent(asked) };
    let (role, verb) = match judged.granted(None) {
        Ok(granted) => granted,
        Err(denied) => return Decision::denied(denied, "image", asked),
    };
    let mut approved = on(judged, role, verb, id(found));
    approved.answer = match judged.request.endpoint().act {
        Act::ImageHistory => Answer::history(),
        _ => Answer::image(),
    };
    Decision::forward(approved)
}

/// `DELETE /images/{name}`: an own image, or one that could be pulled again; only this name of several.
pub(crate) fn remove(judged: Judged<'_>) -> Decision {
    let asked = judged.request.named();
    let Some(found) = visible(asked, judged) else { return absent(asked) };
    let roles = judged.roles().filter(|role| role.verbs.contains(&Verb::Rmi));
    let force = judged.request.call.query.flag("force");
    let by = |role| match removable(found, asked, role, judged.worker, force) {
        Ok(()) => Ok(Decision::forward(on(judged, role, Verb::Rmi, &place(found, asked)))),
        Err(refusal) => Err(refusal.rule(rule(role, Verb::Rmi))),
    };
    objects::first_allowing(roles, "no role grants 'rmi'", by).unwrap_or_else(Decision::Refuse)
}

/// Whether a role lets an image go.
fn removable(
    found: &Value,
    asked: &str,
    role: &DockerRole,
    worker: &str,
    force: bool,
) -> Result<(), Refusal> {
    let names = image_names(found);
    if is_own(found, role, worker) {
        return Ok(());
    }
    let refuse = |why: &str| Err(Refusal::new(Reason::ObjectNotAllowed, why));
    let digests =
        found.get("RepoDigests").and_then(Value::as_array).is_some_and(|digests| !digests.is_empty());
    if !digests || !role.verbs.contains(&Verb::Pull) {
        return refuse("the image is not your own and cannot be pulled again, so it stays");
    }
    let wanted: Vec<&ImageName> = match ImageName::read(asked) {
        Some(name) => names.iter().filter(|own| **own == name).collect(),
        None => names.iter().collect(),
    };
    if wanted.is_empty() || !wanted.iter().all(|name| role.images.iter().any(|glob| name.matches(glob))) {
        return refuse("the image bears names that are not in the role's images");
    }
    match force {
        true => Err(Refusal::new(Reason::FieldNotAllowed, "force would take an image from under containers")
            .path("?force")
            .nearest("docker rmi without -f")),
        false => Ok(()),
    }
}

/// What is removed: the name alone when the image has others, and else the image by its id.
fn place(found: &Value, asked: &str) -> String {
    let several = image_names(found).len() > 1;
    match ImageName::read(asked).filter(|name| several && name.digest().is_none()) {
        Some(name) => name.familiar(),
        None => id(found).to_owned(),
    }
}

fn on(judged: Judged<'_>, role: &DockerRole, verb: Verb, image: &str) -> Approved {
    let mut approved = judged.approve(role, verb);
    approved.objects = vec![image.to_owned()];
    let path = judged.request.endpoint().path.replacen("{name}", &uri::encode(image, ":/"), 1);
    approved.target = judged.target(&path);
    approved
}

pub(crate) fn id(image: &Value) -> &str {
    image.get("Id").and_then(Value::as_str).unwrap_or_default()
}

/// An image that the worker may see: by a name that a role allows, or as its own.
pub(crate) fn visible<'a>(asked: &str, judged: Judged<'a>) -> Option<&'a Value> {
    let found = judged.facts.about(&Lookup::Image(asked.to_owned()))?;
    let shown = |role| is_own(found, role, judged.worker) || image_allowed(found, asked, role);
    (judged.roles().any(shown) && is_id(id(found))).then_some(found)
}

pub(crate) fn absent(asked: &str) -> Decision {
    match ImageName::read(asked) {
        Some(name) => Decision::absent_image(&name),
        None => Decision::absent("image", asked),
    }
}

/// `POST /images/create`.
pub(crate) fn pull(judged: Judged<'_>) -> Decision {
    let query = &judged.request.call.query;
    let from = query.text("fromImage").unwrap_or_default();
    let asked = match query.text("tag") {
        // Without a tag the engine would pull every tag of the repository.
        None => from.to_owned(),
        Some(tag) if tag.starts_with("sha256:") => format!("{from}@{tag}"),
        Some(tag) => format!("{from}:{tag}"),
    };
    let roles = judged.roles().filter(|role| role.verbs.contains(&Verb::Pull));
    let by = |role: &DockerRole| {
        let name = ImageName::read(&asked).filter(|name| role.images.iter().any(|glob| name.matches(glob)));
        let name = name.ok_or_else(|| asked_image_refused(role, from).path("?fromImage"))?;
        let mut approved = judged.approve(role, Verb::Pull);
        let tag = name.digest().or(name.tag()).unwrap_or("latest");
        approved.target = format!(
            "/v{}/images/create?fromImage={}&tag={}",
            judged.request.version(),
            uri::encode(name.familiar_repository(), ""),
            uri::encode(tag, "")
        );
        approved.operation = json!({"op": "image pull", "image": name.canonical()});
        Ok(Decision::forward(approved))
    };
    objects::first_allowing(roles, "no role grants 'pull'", by).unwrap_or_else(Decision::Refuse)
}
