//! `[role.NAME]`.

use super::file::File;
use super::host::is_table_name;
use super::{Findings, command, docker};
use crate::Role;
use crate::judge::CommandIndex;
use std::collections::BTreeMap;

/// All roles of one file, added to those of the files before it.
pub(super) fn read_all(
    file: &File<'_>,
    engine_socket: &str,
    roles: &mut BTreeMap<String, Role>,
    findings: &mut Findings,
) {
    for (name, entry) in file.root().tables("role") {
        if !is_table_name(name, 64) {
            findings
                .error(file, entry.at, format!("`{name}` cannot name a role"))
                .help("a role's name is a small letter, then small letters, digits and `-`, at most 64");
        }
        if roles.contains_key(name) {
            findings
                .error(file, entry.at, format!("the role `{name}` stands in an earlier file already"))
                .help("roles are not merged: give one of them another name");
            continue;
        }
        let commands = command::read_all(name, entry, engine_socket, findings);
        let index = CommandIndex::build(&commands);
        command::tell_shadowed(&commands, &index, findings);
        let docker = entry.table("docker").map(|docker| docker::read(name, docker, engine_socket, findings));
        if commands.is_empty() && docker.is_none() {
            findings.notice(file, entry.at, format!("the role `{name}` allows nothing"));
        }
        let about = entry.text("about").map(|(about, _)| about.to_owned()).unwrap_or_default();
        roles.insert(name.to_owned(), Role { name: name.to_owned(), about, commands, docker, index });
    }
}
