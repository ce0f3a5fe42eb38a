//! Clients that move files start their server side over the account. There are no files here. Whatever else
//! is wrong with their line, this is what their user is told.

use doorward_policy::{Reason, Refusal};

/// A client that moves files, known by the command that it starts.
pub(crate) struct Transfer {
    /// What its user calls it.
    name: &'static str,
    /// The program, in any folder.
    program: &'static str,
    /// What makes it a server.
    mark: Mark,
    /// What to do instead.
    instead: &'static str,
}

// Nothing that needs a role: which ones the worker has is not known here.
const OUTPUT: &str =
    "what a line prints, kept on your side: `ssh HOST LINE > FILE`; `runs export` for what was kept here";
const CLONE: &str = "`git` on your side";

/// By what a program is known to be the side of a transfer that is on the host.
enum Mark {
    /// Whatever follows.
    Any,
    /// This word comes first, or among the options that come first.
    Word(&'static str),
    /// One of these letters is among the options that come first, by itself or with others.
    Letters(&'static [char]),
}

/// Every one that is known.
const TRANSFERS: &[Transfer] = &[
    transfer("scp", "scp", Mark::Letters(&['t', 'f']), OUTPUT),
    transfer("sftp", "sftp", Mark::Any, OUTPUT),
    transfer("sftp", "sftp-server", Mark::Any, OUTPUT),
    transfer("sftp", "internal-sftp", Mark::Any, OUTPUT),
    transfer("rsync", "rsync", Mark::Word("--server"), OUTPUT),
    transfer("git", "git-upload-pack", Mark::Any, CLONE),
    transfer("git", "git-receive-pack", Mark::Any, CLONE),
    transfer("git", "git-upload-archive", Mark::Any, CLONE),
    transfer("git", "git-lfs-authenticate", Mark::Any, CLONE),
    transfer("git", "git-lfs-transfer", Mark::Any, CLONE),
    transfer("git", "git", Mark::Word("upload-pack"), CLONE),
    transfer("git", "git", Mark::Word("receive-pack"), CLONE),
    transfer("git", "git", Mark::Word("upload-archive"), CLONE),
];

const fn transfer(name: &'static str, program: &'static str, mark: Mark, instead: &'static str) -> Transfer {
    Transfer { name, program, mark, instead }
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
    let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
    TRANSFERS.iter().find(|transfer| transfer.program == program && transfer.mark.is_in(&rest))
}

impl Mark {
    fn is_in(&self, words: &[&str]) -> bool {
        let mut options = words.iter().take_while(|word| word.starts_with('-'));
        match self {
            Mark::Any => true,
            Mark::Word(mark) => words.first() == Some(mark) || options.any(|word| word == mark),
            Mark::Letters(letters) => options.any(|word| !word.starts_with("--") && word.contains(*letters)),
        }
    }
}
