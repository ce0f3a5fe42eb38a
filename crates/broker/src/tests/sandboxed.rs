//! What a command inside the sandbox tries, and that it fails at each.

use super::support::{house, how, root};

#[test]
fn a_command_runs_as_the_spawn_account_with_nothing() {
    if !root() {
        return;
    }
    let ran = house().sh(&how(), "id; env | sort; pwd; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; ls -la / /dev /run; ps ax 2>&1 || true");
    println!("{}{}", ran.out, ran.err);
    assert!(ran.ok(), "{ran:?}");
}
