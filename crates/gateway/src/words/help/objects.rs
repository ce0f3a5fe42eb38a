//! How the objects that a role names are told.

use doorward_policy::{DockerRole, Glob, Selector};

pub(super) fn images(docker: &DockerRole) -> String {
    let images: Vec<_> = docker.images.iter().map(|glob| glob.0.as_str()).collect();
    if images.is_empty() { "none".into() } else { images.join(", ") }
}

pub(super) fn networks(docker: &DockerRole) -> String {
    let egress = if docker.egress { ", and the engine's bridge, which leads out" } else { "" };
    format!("{}{egress}", selectors(&docker.networks))
}

pub(super) fn selectors(list: &[Selector]) -> String {
    let names = list.iter().map(|selector| match selector {
        Selector::Own => "your own",
        Selector::Named(glob) => &glob.0,
    });
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// A name that a pattern for images matches, when it leaves no more open than the tag.
pub(super) fn concrete(glob: &Glob) -> Option<String> {
    let name = match glob.0.strip_suffix(":*") {
        Some(name) => format!("{name}:latest"),
        None => glob.0.clone(),
    };
    (!name.contains('*')).then_some(name)
}
