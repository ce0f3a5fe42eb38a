//! Clients that move files start their server side over the account. There are no files here. Whatever else
//! is wrong with their line, this is what their user is told.

use doorward_policy::{Reason, Refusal};

/// A client that moves files, known by the command that it starts.
pub(crate) struct Transfer {
    /// What its user calls it.
    name: &'static str,
    /// The first words of the command; the first of all in any folder.
    words: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

// Nothing that needs a role: which ones the worker has is not known here.
const OUTPUT: &str =
    "what a line prints, kept on your side: `ssh HOST LINE > FILE`; `runs export` for what was kept here";
const CLONE: &str = "`git` on your side";

/// Every one that is known.
const TRANSFERS: &[Transfer] = &[
    transfer("scp", &["scp", "-t"], OUTPUT),
    transfer("scp", &["scp", "-f"], OUTPUT),
    transfer("sftp", &["sftp-server"], OUTPUT),
    transfer("sftp", &["internal-sftp"], OUTPUT),
    transfer("rsync", &["rsync", "--server"], OUTPUT),
    transfer("git", &["git-upload-pack"], CLONE),
    transfer("git", &["git-receive-pack"], CLONE),
    transfer("git", &["git-upload-archive"], CLONE),
    transfer("git", &["git", "upload-pack"], CLONE),
    transfer("git", &["git", "receive-pack"], CLONE),
    transfer("git", &["git", "upload-archive"], CLONE),
];

const fn transfer(name: &'static str, words: &'static [&'static str], instead: &'static str) -> Transfer {
    Transfer { name, words, instead }
}

impl Transfer {
    /// The refusal that the client shows.
    pub(crate) fn refuse(&self) -> Refusal {
        let message = format!("this account moves no files ({}): none are kept on this host", self.name);
        Refusal::new(Reason::NotInPolicy, message).nearest(self.instead)
    }
}

/// The client whose server side a line starts that cannot be read, by its first words as they stand.
pub(crate) fn of_line(line: &str) -> Option<&'static Transfer> {
    let words: Vec<&str> = line.split([' ', '\t', '\n']).filter(|word| !word.is_empty()).take(16).collect();
    of_words(words.strip_prefix(&["sudo"]).unwrap_or(&words))
}

/// The client whose server side the command of these words is.
pub(crate) fn of_words<S: AsRef<str>>(words: &[S]) -> Option<&'static Transfer> {
    let (first, rest) = words.split_first()?;
    let program = first.as_ref().rsplit('/').next().unwrap_or_default();
    TRANSFERS.iter().find(|transfer| {
        let Some((name, marks)) = transfer.words.split_first() else { return false };
        *name == program && marks.iter().all(|mark| has_mark(rest, mark))
    })
}

/// Whether `mark` is the first of the words or one of the options that they begin with.
fn has_mark<S: AsRef<str>>(words: &[S], mark: &str) -> bool {
    let mut words = words.iter().map(AsRef::as_ref).peekable();
    words.peek() == Some(&mark) || words.take_while(|word| word.starts_with('-')).any(|word| word == mark)
}
