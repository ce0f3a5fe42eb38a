//! Rules by the literals that they begin with, so that a role of ten thousand rules costs what one costs.

use crate::{CommandRule, ExecRule, Pattern};
use std::collections::HashMap;

/// What the index needs of a rule.
pub(crate) trait HasPattern {
    /// The rule's usage line.
    fn pattern(&self) -> &Pattern;
}

impl HasPattern for CommandRule {
    fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

impl HasPattern for ExecRule {
    fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

/// A tree of leading literals; each rule stands where its literals end.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandIndex {
    next: HashMap<String, CommandIndex>,
    /// Positions in the role's list, rising.
    rules: Vec<usize>,
}

impl CommandIndex {
    /// Positions are those of `rules`, which must be the same list when the index is asked.
    pub(crate) fn build(rules: &[impl HasPattern]) -> CommandIndex {
        let mut root = CommandIndex::default();
        for (position, rule) in rules.iter().enumerate() {
            let place = rule
                .pattern()
                .literal_prefix()
                .fold(&mut root, |place, word| place.next.entry(word.to_owned()).or_default());
            place.rules.push(position);
        }
        root
    }

    /// The first rule of the list that matches all of `argv`.
    pub(crate) fn find<'r, R: HasPattern>(&self, rules: &'r [R], argv: &[&str]) -> Option<&'r R> {
        let mut best: Option<(usize, &R)> = None;
        for place in self.along(argv) {
            for position in &place.rules {
                if best.is_some_and(|(first, _)| first <= *position) {
                    break;
                }
                if let Some(rule) = rules.get(*position).filter(|rule| rule.pattern().matches(argv)) {
                    best = Some((*position, rule));
                    break;
                }
            }
        }
        best.map(|(_, rule)| rule)
    }

    /// Some rules that share the most leading literals with `argv`, and how many those are; at most `most`.
    pub(crate) fn close<'r, R>(&self, rules: &'r [R], argv: &[&str], most: usize) -> (usize, Vec<&'r R>) {
        let path: Vec<&CommandIndex> = self.along(argv).collect();
        for (depth, place) in path.iter().enumerate().skip(1).rev() {
            let mut found = Vec::new();
            place.collect(rules, most, &mut found);
            // The rules that stop on the way (values instead of literals) are as close.
            for above in path.iter().take(depth).skip(1) {
                found.extend(above.rules.iter().filter_map(|position| rules.get(*position)).take(most));
            }
            if !found.is_empty() {
                return (depth, found);
            }
        }
        (0, Vec::new())
    }

    /// Every first word.
    pub(crate) fn first_words(&self) -> impl Iterator<Item = &str> {
        self.next.keys().map(String::as_str)
    }

    /// The places that `argv` leads through, the root first.
    fn along<'i>(&'i self, argv: &[&str]) -> impl Iterator<Item = &'i CommandIndex> {
        let mut words = argv.iter();
        std::iter::successors(Some(self), move |place| place.next.get(*words.next()?))
    }

    fn collect<'r, R>(&self, rules: &'r [R], most: usize, found: &mut Vec<&'r R>) {
        found.extend(self.rules.iter().filter_map(|position| rules.get(*position)));
        for place in self.next.values() {
            if found.len() >= most {
                break;
            }
            place.collect(rules, most, found);
        }
        found.truncate(most);
    }
}
