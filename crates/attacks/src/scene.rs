//! How things are called where a case is played: `${word}` in a step.

use std::collections::BTreeMap;

/// The words that every stage knows, and `fresh`: a new name for each case.
#[rustfmt::skip]
pub const WORDS: &[&str] = &[
    "fresh", "tag", "worker", "other", "canary", "port",
    "image", "image_id", "private", "private_id", "labelled", "labelled_id", "inproc", "inproc_id",
    "own", "own_id", "own_short", "own_up", "own_up_id", "own_up_short",
    "theirs", "theirs_id", "theirs_short", "victim", "victim_id", "victim_short", "victim_exec",
    "own_volume", "own_network", "own_network_id", "other_volume", "other_network", "other_network_id",
    "victim_volume", "victim_network", "victim_network_id",
];

/// The words of a place. Some are there everywhere: `${byte:ff}`, `${repeat:1000:text}`,
/// `${tar:name:content}`.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    words: BTreeMap<String, String>,
}

impl Scene {
    /// Says what a word stands for.
    pub fn set(&mut self, word: &str, means: impl Into<String>) {
        self.words.insert(word.to_owned(), means.into());
    }

    /// What a word stands for.
    pub fn get(&self, word: &str) -> Option<&str> {
        self.words.get(word).map(String::as_str)
    }

    /// The text with every word replaced; an error names the word that is not known.
    ///
    /// # Errors
    /// When a word is not known or does not end.
    pub fn fill(&self, text: &str) -> Result<Vec<u8>, String> {
        let mut filled = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            filled.extend_from_slice(before.as_bytes());
            let (word, after) = word(after).ok_or_else(|| format!("${{{after}: no end"))?;
            filled.extend(self.meaning(word)?);
            rest = after;
        }
        filled.extend_from_slice(rest.as_bytes());
        Ok(filled)
    }

    /// As [`Scene::fill`], for what is text.
    ///
    /// # Errors
    /// When a word is not known, does not end, or stands for no text.
    pub fn text(&self, text: &str) -> Result<String, String> {
        String::from_utf8(self.fill(text)?).map_err(|_| format!("{text}: this is no text"))
    }

    fn meaning(&self, word: &str) -> Result<Vec<u8>, String> {
        let unknown = || format!("${{{word}}} is not known here");
        match word.split_once(':') {
            Some(("byte", hex)) => u8::from_str_radix(hex, 16).map(|byte| vec![byte]).map_err(|_| unknown()),
            Some(("repeat", rest)) => {
                let (times, text) = rest.split_once(':').ok_or_else(unknown)?;
                Ok(self.text(text)?.repeat(times.parse().map_err(|_| unknown())?).into_bytes())
            }
            Some(("tar", rest)) => {
                let (name, content) = rest.split_once(':').ok_or_else(unknown)?;
                Ok(tar(name, &self.text(content)?))
            }
            _ => self.get(word).map(|means| means.as_bytes().to_vec()).ok_or_else(unknown),
        }
    }
}

/// Parts a word from what follows its `}`; words may stand in words.
fn word(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut end = None;
    for (place, _) in text.match_indices(['{', '}']) {
        match (text.get(place..).unwrap_or_default().starts_with('}'), depth) {
            (true, 0) => {
                end = Some(place);
                break;
            }
            (true, _) => depth = depth.saturating_sub(1),
            (false, _) => {
                let opens = text.get(..place).unwrap_or_default().ends_with('$');
                depth = depth.saturating_add(usize::from(opens));
            }
        }
    }
    let (word, rest) = text.split_at_checked(end?)?;
    Some((word, rest.strip_prefix('}')?))
}

/// An archive of one file.
fn tar(name: &str, content: &str) -> Vec<u8> {
    let mut head = Vec::new();
    let mut field = |text: &str, width: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(width, 0);
        head.extend(bytes);
    };
    field(name, 100);
    field("0000644", 8);
    field("0000000", 8);
    field("0000000", 8);
    field(&format!("{:011o}", content.len()), 12);
    field("00000000000", 12);
    field("        ", 8);
    field("0", 1);
    field("", 100);
    field("ustar", 6);
    field("00", 2);
    field("", 247);
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    let mut archive = Vec::new();
    archive.extend(head.iter().take(148));
    archive.extend(sum.bytes());
    archive.extend(head.iter().skip(156));
    archive.extend(content.bytes());
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::Scene;

    #[test]
    fn words_are_replaced_and_unknown_ones_named() {
        let mut scene = Scene::default();
        scene.set("own", "mine");
        assert_eq!(scene.text("/x/${own}/${own}").unwrap(), "/x/mine/mine");
        assert_eq!(scene.fill("a${byte:ff}${repeat:3:ab}").unwrap(), b"a\xffababab");
        assert!(scene.fill("${nobody}").unwrap_err().contains("nobody"));
        assert_eq!(scene.fill("${tar:Dockerfile:FROM ${own}}").unwrap().len(), 512 + 512 + 1024);
    }
}
