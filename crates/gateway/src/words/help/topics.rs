//! What a line may hold.

/// By name: what `help NAME` says.
pub(super) const TOPICS: &[(&str, &str)] = &[("line", LINE), ("pipelines", LINE), ("sudo", SUDO)];

/// What becomes of `sudo`.
pub(super) const SUDO: &str = "\
sudo is dropped from the begin of each command: the policy says as whom a command runs, so it is not needed.
With it, -n, -S, -p PROMPT and -- are dropped; all its other options, and assignments behind it, are refused.
  Example: sudo docker ps is docker ps; help docker ps tells of it
";

const LINE: &str = "\
A line is one command or several. No shell reads it.
  A | B                          B reads what A prints; a word about your own things can only begin it
  A && B     A || B     A ; B    B after A: when A succeeded, when it failed, always
  2>&1   2>/dev/null   >/dev/null
  'text'  \"text\"  \\c            words with blanks and signs in them
Every command of a line is judged before the first one runs: one that is refused refuses the line.
The line exits as its last command did; 126 means refused, 125 that doorward failed, 124 the deadline.
Docker commands have exit codes of their own: one whose call the engine's socket refused ends with 1, or 125 for
docker run, and its last message has the reason after \"Error response from daemon\".
There are no variables, no $(…), no file name patterns, no other redirections, no & and no assignments.
  Example: help | grep docker | head -5 && whoami
";
