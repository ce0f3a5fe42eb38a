//! What somebody probably meant.

use std::cmp::Reverse;

/// Longest text that is compared: longer ones are typed by no person, and cost quadratic time.
const LONGEST: usize = 64;

/// The candidate with the smallest edit distance to `word`, when it is close enough to be a slip: at most a
/// third of the word's length, and one for short words. Of equals the one that begins like it
/// longest, then the first. A word of one or two letters has none: one edit makes another word of it.
pub(crate) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let length = word.chars().count();
    if length < 3 {
        return None;
    }
    let allowed = length.div_ceil(3);
    candidates
        .map(|candidate| (distance(word, candidate), Reverse(alike(word, candidate)), candidate))
        .filter(|(distance, ..)| *distance <= allowed)
        .min_by_key(|(distance, alike, _)| (*distance, *alike))
        .map(|(.., candidate)| candidate)
}

/// How many characters two texts begin with alike.
fn alike(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

/// A help that names the candidate that was probably meant, or says `otherwise`.
pub(crate) fn did_you_mean<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(word, candidates).map_or_else(otherwise, |meant| format!("did you mean `{meant}`?"))
}

/// Edits from one text to the other: insert, delete, replace, swap of neighbours.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().take(LONGEST).collect();
    let to: Vec<char> = to.chars().take(LONGEST).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut previous_from = None;
    for (row, a) in from.iter().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        let mut previous_to = None;
        for (column, b) in to.iter().enumerate() {
            let at = |line: &[usize], back: usize| {
                column.checked_add(1).and_then(|c| c.checked_sub(back)).and_then(|c| line.get(c)).copied()
            };
            let far = usize::MAX;
            let replace = at(&above, 1).unwrap_or(far).saturating_add(usize::from(a != b));
            let delete = at(&above, 0).unwrap_or(far).saturating_add(1);
            let insert = at(&current, 1).unwrap_or(far).saturating_add(1);
            let mut best = replace.min(delete).min(insert);
            if previous_from == Some(b) && previous_to == Some(a) {
                best = best.min(at(&before, 2).unwrap_or(far).saturating_add(1));
            }
            current.push(best);
            previous_to = Some(b);
        }
        previous_from = Some(a);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_each_kind_of_slip_once() {
        assert_eq!(distance("verbs", "verbs"), 0);
        assert_eq!(distance("verb", "verbs"), 1);
        assert_eq!(distance("vebrs", "verbs"), 1);
        assert_eq!(distance("vxrbs", "verbs"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn a_far_word_has_no_nearest() {
        assert_eq!(nearest("rolse", ["roles", "keys"].into_iter()), Some("roles"));
        let docker = ["container run", "container prune"];
        assert_eq!(nearest("container prun", docker.into_iter()), Some("container prune"));
        assert_eq!(nearest("xyzzy", ["roles", "keys"].into_iter()), None);
        assert_eq!(
            nearest("ls", ["ss", "ps"].into_iter()),
            None,
            "each other two-letter word is one edit away"
        );
    }
}
