//! What may be done with own images alone: give them another name, push them, save them.

use crate::image::image_names;
use crate::image_name::ImageName;
use crate::judged::Judged;
use crate::objects::{self, Standing, labels};
use crate::{Act, Approved, Decision, Lookup, Request, uri};
use doorward_policy::{DockerRole, Reason, Refusal, Verb};
use serde_json::{Value, json};

/// `X-Registry-Auth` without a password: engines want the header with every push.
const NO_PASSWORD: &str = "e30=";

/// Whether an image is a worker's own under a role. Labels are inherited: an image that an operator built upon a
/// worker's bears the worker's, too, so that it is own only by names that the worker may give.
pub(crate) fn is_own(image: &Value, role: &DockerRole, worker: &str) -> bool {
    bears_own(image, labels(image), role, worker)
}

/// The same of an image in a list, where the labels stand elsewhere.
pub(crate) fn is_own_listed(entry: &Value, role: &DockerRole, worker: &str) -> bool {
    bears_own(entry, entry.get("Labels"), role, worker)
}

fn bears_own(image: &Value, labels: Option<&Value>, role: &DockerRole, worker: &str) -> bool {
    let names = image_names(image);
    Standing::of(labels, worker) == Standing::Own && names.iter().all(|name| may_name(role, name))
}

/// Whether a role lets a name be given to images.
pub(crate) fn may_name(role: &DockerRole, name: &ImageName) -> bool {
    role.tags.iter().any(|glob| name.matches(glob))
}

impl Request {
    /// The names that are asked for: images, but for the one that `tag` gives.
    fn asked_images(&self) -> Vec<String> {
        let name = self.named();
        match self.endpoint().act {
            Act::ImagePush => vec![self.pushed()],
            Act::ImageSave if name.is_empty() => self.call.query.texts("names").to_vec(),
            _ => vec![name.to_owned()],
        }
    }

    /// The name that is pushed.
    fn pushed(&self) -> String {
        match self.call.query.text("tag") {
            Some(tag) => format!("{}:{tag}", self.named()),
            None => self.named().to_owned(),
        }
    }

    /// The name that `tag` gives.
    fn given(&self) -> Option<ImageName> {
        let query = &self.call.query;
        let name = query.text("repo")?;
        let name = match query.text("tag") {
            Some(tag) => ImageName::read(&format!("{name}:{tag}")),
            None => ImageName::read(name),
        };
        name.filter(|name| name.digest().is_none())
    }

    /// The images that `tag`, `push` and `save` are judged by.
    pub(crate) fn image_needs(&self) -> Vec<Lookup> {
        let asked = self.asked_images().into_iter().filter(|asked| crate::image::could_name(asked));
        let given = self.given().map(|name| name.familiar());
        asked.chain(given).map(Lookup::Image).collect()
    }
}

/// `POST /images/{name}/tag`: another name of `tags` for an own image, unless another image bears it.
pub(crate) fn tag(judged: Judged<'_>) -> Decision {
    by_role(judged, Verb::Tag, |role, images| {
        let name = judged.request.given().filter(|name| may_name(role, name));
        let name = name.ok_or_else(|| {
            let tags: Vec<&str> = role.tags.iter().map(|glob| glob.0.as_str()).collect();
            Refusal::new(Reason::ImageNotAllowed, "this name is not in the role's tags")
                .path("?repo")
                .nearest(if tags.is_empty() { "no name".to_owned() } else { tags.join(", ") })
        })?;
        let bearer = judged.facts.about(&Lookup::Image(name.familiar()));
        if bearer.is_some_and(|bearer| !is_own(bearer, role, judged.worker)) {
            let why = "an image that is not your own bears this name, and keeps it";
            return Err(Refusal::new(Reason::ObjectNotAllowed, why).path("?repo"));
        }
        let image = images.first().map(|(_, id)| *id).unwrap_or_default();
        let target = format!(
            "/images/{}/tag?repo={}&tag={}",
            uri::encode(image, ":"),
            uri::encode(name.familiar_repository(), ""),
            uri::encode(name.tag().unwrap_or("latest"), "")
        );
        let operation = json!({"op": "image tag", "image": image, "name": name.canonical()});
        Ok((target, operation))
    })
}

/// `POST /images/{name}/push`: one name of an own image, to the registry in that name, without a password.
pub(crate) fn push(judged: Judged<'_>) -> Decision {
    let asked = judged.request.pushed();
    let tagged = asked.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    let pushed = by_role(judged, Verb::Push, |_, _| {
        let name = ImageName::read(&asked).filter(|name| tagged && name.digest().is_none());
        let name = name.ok_or_else(|| {
            Refusal::new(Reason::BadRequest, "one name is pushed, and its tag is said")
                .path("?tag")
                .nearest("docker push NAME:TAG")
        })?;
        let target = format!(
            "/images/{}/push?tag={}",
            uri::encode(name.familiar_repository(), "/:"),
            uri::encode(name.tag().unwrap_or("latest"), "")
        );
        Ok((target, json!({"op": "image push", "image": name.canonical()})))
    });
    match pushed {
        Decision::Forward(mut approved) => {
            approved.headers.push(("X-Registry-Auth", NO_PASSWORD.to_owned()));
            Decision::Forward(approved)
        }
        other => other,
    }
}

/// `GET /images/{name}/get` and `GET /images/get?names=…`: own images as an archive.
pub(crate) fn save(judged: Judged<'_>) -> Decision {
    if judged.request.asked_images().is_empty() {
        let refusal = Refusal::new(Reason::BadRequest, "at least one image is named").path("?names");
        return Decision::Refuse(refusal);
    }
    by_role(judged, Verb::Save, |_, images| {
        // By name where a name was asked for: the archive tells the names that it was asked by.
        let places: Vec<String> = images
            .iter()
            .map(|(asked, id)| {
                ImageName::read(asked).map_or_else(|| (*id).to_owned(), |name| name.familiar())
            })
            .collect();
        let names: Vec<String> =
            places.iter().map(|place| format!("names={}", uri::encode(place, ""))).collect();
        Ok((format!("/images/get?{}", names.join("&")), json!({"op": "image save", "images": places})))
    })
}

/// Images that were asked for and found, each with its id.
type Found<'a> = [(&'a str, &'a str)];

/// What the first role with a verb makes of it, when all images that are asked for are own under that role.
fn by_role<'a>(
    judged: Judged<'a>,
    verb: Verb,
    judge: impl Fn(&'a DockerRole, &Found<'_>) -> Result<(String, Value), Refusal>,
) -> Decision {
    let asked = judged.request.asked_images();
    let mut found = Vec::new();
    for asked in &asked {
        match crate::images::visible(asked, judged) {
            Some(image) => found.push((asked.as_str(), image)),
            None => return crate::images::absent(asked),
        }
    }
    let roles = judged.roles().filter(|role| role.verbs.contains(&verb));
    let by = |role: &'a DockerRole| {
        // One without a name may be what an operator's image was built upon.
        let own = |image: &Value| !image_names(image).is_empty() && is_own(image, role, judged.worker);
        if !found.iter().all(|(_, image)| own(image)) {
            return Err(Refusal::new(
                Reason::ObjectNotAllowed,
                format!("`{verb}` is for your own images alone"),
            )
            .nearest("an image that you built, under a name of the role's tags"));
        }
        let images: Vec<(&str, &str)> =
            found.iter().map(|(asked, image)| (*asked, crate::images::id(image))).collect();
        let (target, operation) = judge(role, &images)?;
        let mut approved: Approved = judged.approve(role, verb);
        approved.target = format!("/v{}{target}", judged.request.version());
        approved.objects = images.iter().map(|(_, id)| (*id).to_owned()).collect();
        approved.operation = operation;
        Ok(Decision::forward(approved))
    };
    let none = format!("no role grants '{verb}'");
    objects::first_allowing(roles, &none, by).unwrap_or_else(Decision::Refuse)
}
