//! The attack corpus, played through the proxy and against the bare engine, on the real engine.
//!
//! After each case the engine is asked what there is. Through the proxy nothing may have succeeded; against the
//! bare engine what is marked `bites` must have, or the corpus proves nothing. Legitimate requests are played in
//! the same way, and both must come to the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]
#![allow(unreachable_pub, reason = "a test is nobody's room")]

mod faults;
mod likeness;
mod picture;
mod play;
#[path = "../support/mod.rs"]
mod support;

use play::play;

macro_rules! classes {
    ($($name:ident $class:literal),+ $(,)?) => {
        $( #[test] fn $name() { play($class); } )+

        #[test]
        fn every_class_of_the_corpus_is_played() {
            let files = doorward_attacks::attacks().unwrap();
            let files: Vec<_> = files.iter().map(|(class, _)| class.as_str()).collect();
            assert_eq!(files, [$($class),+]);
        }
    };
}

classes! {
    json_that_is_read_differently "A",
    meanings_of_older_versions "B",
    paths_queries_and_framing "C",
    privilege_namespaces_and_limits "D",
    mounts_and_volumes "E",
    networks_and_ports "F",
    images_and_builds "G",
    commands_and_streams "H",
    reading_what_is_others "I",
    swarm_and_plugins "J",
    ownership "K",
    calls_and_tales "L",
    checkpoints_and_exhaustion "M",
    ways_around "N",
}

#[test]
fn ordinary_looks_are_answered_as_without_the_proxy() {
    likeness::play("system");
}

#[test]
fn ordinary_containers_become_what_they_are_without_the_proxy() {
    likeness::play("containers");
}

#[test]
fn ordinary_networks_and_volumes_become_what_they_are_without_the_proxy() {
    likeness::play("networks-volumes");
}

#[test]
fn ordinary_builds_make_what_they_make_without_the_proxy() {
    likeness::play("builds");
}

#[test]
fn the_docker_command_does_what_it_does_without_the_proxy() {
    likeness::play("docker");
}
