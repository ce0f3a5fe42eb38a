//! Paths, accounts and addresses of the host, as a policy may name them.

use super::Findings;
use super::file::File;
use super::known::{Bindable, HOST_DEVICES, HOST_FOLDERS};
use crate::pattern::{is_beneath, is_clean_path};

/// A clean absolute path other than `/`.
pub(super) fn is_folder_path(path: &str) -> bool {
    path != "/" && is_clean_path(path)
}

/// An account or group name. Source: shadow-utils' `NAME_REGEX`, which Debian and Fedora keep to.
pub(super) fn is_account(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// The name of a worker or role.
pub(super) fn is_table_name(name: &str, longest: usize) -> bool {
    name.len() <= longest
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `ADDRESS` or `ADDRESS/BITS`.
pub(super) fn is_network(text: &str) -> bool {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| {
        bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

/// Tells when a folder of the host may not be bound into a container.
pub(super) fn check_bind(
    file: &File<'_>,
    at: usize,
    path: &str,
    writable: bool,
    engine_socket: &str,
    findings: &mut Findings,
) {
    if !is_clean_path(path) {
        findings
            .error(file, at, format!("`{path}` is not a clean absolute path"))
            .help("write it from `/`, without `.`, `..`, `//` or a last `/`");
        return;
    }
    let folder = engine_socket.rsplit_once('/').map_or("/", |(folder, _)| folder);
    if is_beneath(path, engine_socket) || is_beneath(engine_socket, path) || is_beneath(path, folder) {
        findings
            .error(file, at, format!("`{path}` may not be bound: the engine's socket is in reach of it"))
            .help("whoever reaches the engine's socket owns the host");
        return;
    }
    for (folder, bindable, why) in HOST_FOLDERS {
        let above = path != *folder && is_beneath(folder, path);
        let within = is_beneath(path, folder);
        let refused = above
            || within
                && match bindable {
                    Bindable::Never => true,
                    Bindable::BeneathReadOnly => writable || path == *folder,
                    Bindable::ReadOnly => writable,
                };
        if refused {
            let what = if above { format!("it holds `{folder}`") } else { (*why).to_owned() };
            findings
                .error(file, at, format!("`{path}` may not be bound: {what}"))
                .help("bind a folder made for the purpose, like `/srv/models`");
            return;
        }
        if within && *bindable == Bindable::BeneathReadOnly {
            findings.notice(file, at, format!("danger: `{path}` is shown to containers: {why}"));
        }
    }
}

/// Tells when a device may not be given to a container.
pub(super) fn check_device(file: &File<'_>, at: usize, path: &str, findings: &mut Findings) {
    if path == "/dev" || !is_clean_path(path) || !is_beneath(path, "/dev") {
        findings
            .error(file, at, format!("`{path}` is not a device"))
            .help("devices are written like `/dev/dri`");
    } else if let Some(known) = HOST_DEVICES.iter().find(|known| path.starts_with(**known)) {
        findings
            .error(file, at, format!("`{path}` may not be given to a container"))
            .help(format!("devices that begin with `{known}` hand over the host"));
    }
}
