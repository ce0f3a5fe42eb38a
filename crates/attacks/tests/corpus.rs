//! The corpora hold together: every case can be written out, and says what it expects in words that exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use doorward_attacks::{Case, Scene, Told, attacks, legitimate, policy};
use doorward_policy::Reason;
use std::collections::BTreeSet;

fn all() -> Vec<Case> {
    let files = attacks().unwrap().into_iter().chain(legitimate().unwrap());
    files.flat_map(|(_, cases)| cases).collect()
}

/// A scene in which every word of a stage is known.
fn scene() -> Scene {
    let mut scene = Scene::default();
    for word in doorward_attacks::WORDS {
        scene.set(word, format!("some-{word}"));
    }
    scene
}

#[test]
fn every_case_has_a_name_of_its_own_and_can_be_written_out() {
    let mut names = BTreeSet::new();
    for case in all() {
        assert!(names.insert(case.id.clone()), "{} stands twice", case.id);
        let mut scene = scene();
        policy(&case.policy).unwrap();
        assert!(!case.steps.is_empty(), "{}", case.id);
        for (n, step) in case.steps.iter().enumerate() {
            let bytes = case.bytes(n, &scene).unwrap_or_else(|error| panic!("{}: {error}", case.id));
            assert!(!bytes.unwrap().is_empty(), "{}", case.id);
            for word in step.keep.keys() {
                scene.set(word, "kept");
            }
            if let Some(Told::Refused { reason, .. }) = &step.told {
                assert!(Reason::named(reason).is_some(), "{}: {reason}", case.id);
            }
        }
    }
}
