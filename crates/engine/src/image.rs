//! Which images a role may run, and how a client is told of the others.

use crate::image_name::{ImageName, is_id};
use crate::query::CLASSIC_BUILD;
use doorward_policy::{BUILDKIT_REFUSED, DockerRole, Reason, Refusal};
use serde_json::Value;

/// Whether an image may be run under the name or id that was asked for.
///
/// By name: the name is allowed, and the image bears it. By id: the image bears some name that is allowed.
pub(crate) fn image_allowed(image: &Value, asked: &str, role: &DockerRole) -> bool {
    let id = image.get("Id").and_then(Value::as_str).unwrap_or_default();
    let names = image_names(image);
    match ImageName::read(asked) {
        Some(name) if names.contains(&name) || bears_digest(image, &name) => name.allowed(role),
        _ => {
            let hex = asked.strip_prefix("sha256:").unwrap_or(asked);
            let by_id = hex.len() >= 4 && id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(hex));
            by_id && names.iter().any(|name| name.allowed(role))
        }
    }
}

/// The names that an image bears.
pub(crate) fn image_names(image: &Value) -> Vec<ImageName> {
    let tags = image.get("RepoTags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| ImageName::read(tag.as_str()?)).collect()
}

fn bears_digest(image: &Value, name: &ImageName) -> bool {
    let digests = image.get("RepoDigests").and_then(Value::as_array).into_iter().flatten();
    let mut digests = digests.filter_map(|digest| ImageName::read(digest.as_str()?));
    name.digest().is_some()
        && digests.any(|own| {
            own.digest() == name.digest() && own.familiar_repository() == name.familiar_repository()
        })
}

/// Whether a text is what the engine would take for a reference or an id.
pub(crate) fn could_name(asked: &str) -> bool {
    ImageName::read(asked).is_some() || is_id(asked)
}

/// Whether a text could be meant as an image's id or the beginning of one.
pub(crate) fn could_be_id(asked: &str) -> bool {
    is_id(asked)
        || (asked.len() >= 4
            && asked.len() <= 64
            && asked.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// What clients start instead of an engine's own builder when they want BuildKit.
const BUILDER: &str = "moby/buildkit";

/// A refusal of an image that the role does not have.
pub(crate) fn asked_image_refused(role: &DockerRole, asked: &str) -> Refusal {
    match ImageName::read(asked) {
        Some(name) if name.familiar_repository() == BUILDER => {
            Refusal::new(Reason::EndpointRefused, BUILDKIT_REFUSED).nearest(CLASSIC_BUILD)
        }
        _ => image_refused(role),
    }
}

/// A refusal that names what may be used.
pub(crate) fn image_refused(role: &DockerRole) -> Refusal {
    let allowed: Vec<&str> = role.images.iter().chain(&role.tags).map(|glob| glob.0.as_str()).collect();
    let allowed = if allowed.is_empty() { "no image".to_owned() } else { allowed.join(", ") };
    Refusal::new(Reason::ImageNotAllowed, "this image is not in the role's images")
        .path("Image")
        .nearest(allowed)
}
