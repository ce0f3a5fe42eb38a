//! Outside facts that values are checked against.

/// Linux capabilities without `cap_`. Source: `linux/capability.h` of Linux 6.1.
#[rustfmt::skip]
pub(super) const CAPABILITIES: &[&str] = &[
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
];

/// Capabilities that amount to the host for a program that takes a worker's words.
#[rustfmt::skip]
pub(super) const STRONG_CAPABILITIES: &[&str] = &[
    "sys_admin", "dac_override", "dac_read_search", "sys_ptrace", "sys_module", "sys_rawio", "setuid",
    "setgid", "setfcap", "chown", "fowner", "mknod", "bpf", "sys_boot", "mac_admin", "mac_override",
];

/// Groups that amount to root, or to its secrets.
pub(super) const STRONG_GROUPS: &[&str] = &[
    "root", "docker", "podman", "lxd", "incus", "libvirt", "disk", "kmem", "shadow", "sudo", "wheel", "admin",
];

/// Programs that run what their words say. Source: gtfobins.github.io, class "shell", the usual ones.
#[rustfmt::skip]
pub(super) const OPEN_PROGRAMS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ash", "busybox", "python", "python3", "perl", "ruby", "node", "lua", "php",
    "env", "nice", "nohup", "timeout", "xargs", "find", "awk", "gawk", "sed", "tar", "vi", "vim", "nano",
    "less", "more", "man", "ssh", "scp", "rsync", "git", "systemd-run", "nsenter", "unshare", "chroot", "su",
    "sudo", "doas", "pkexec", "gdb", "strace", "watch", "make", "systemctl", "mount", "podman", "nerdctl",
    "ctr", "crictl", "docker-compose", "kubectl", "curl", "wget", "dd", "cp", "mv", "tee",
];

/// Ulimit names. Source: go-units `ulimit.go`.
#[rustfmt::skip]
pub(super) const ULIMITS: &[&str] = &[
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
];

/// Restart policies. Source: the Engine API's `RestartPolicy`.
pub(super) const RESTARTS: &[&str] = &["no", "on-failure", "unless-stopped", "always"];

/// Key types of OpenSSH.
#[rustfmt::skip]
pub(super) const KEY_TYPES: &[&str] = &[
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Networks that are the engine's own. Only `egress` grants one of them, the default bridge.
pub(super) const ENGINE_NETWORKS: &[&str] = &["host", "bridge", "default", "none", "nat"];

/// How far a host folder may be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bindable {
    /// Neither it nor anything beneath.
    Never,
    /// Not itself; what is beneath, read-only.
    BeneathReadOnly,
    /// It and what is beneath, read-only.
    ReadOnly,
}

/// Host folders that would hand over the host, with why. A folder above one of them is refused too.
pub(super) const HOST_FOLDERS: &[(&str, Bindable, &str)] = &[
    ("/proc", Bindable::Never, "it holds the host's processes"),
    ("/sys", Bindable::Never, "it controls the host's kernel"),
    ("/dev", Bindable::Never, "it holds the host's devices; name single ones in `devices`"),
    ("/run", Bindable::Never, "it holds the sockets of the host's services"),
    ("/var/run", Bindable::Never, "it holds the sockets of the host's services"),
    ("/root", Bindable::Never, "it is root's home"),
    ("/boot", Bindable::Never, "it holds what the host starts"),
    ("/var/lib/docker", Bindable::Never, "it holds the engine's state"),
    ("/var/lib/containerd", Bindable::Never, "it holds the engine's state"),
    ("/var/lib/doorward", Bindable::Never, "it holds the audit log"),
    ("/var/spool/cron", Bindable::Never, "it holds what root runs"),
    ("/etc", Bindable::BeneathReadOnly, "it configures the host"),
    ("/usr", Bindable::ReadOnly, "it holds the host's programs"),
    ("/bin", Bindable::ReadOnly, "it holds the host's programs"),
    ("/sbin", Bindable::ReadOnly, "it holds the host's programs"),
    ("/lib", Bindable::ReadOnly, "it holds the host's programs"),
    ("/lib64", Bindable::ReadOnly, "it holds the host's programs"),
    ("/nix", Bindable::ReadOnly, "it holds the host's programs"),
];

/// Devices that hand over the host's memory, kernel or disks, by the beginning of their path.
#[rustfmt::skip]
pub(super) const HOST_DEVICES: &[&str] = &[
    "/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd", "/dev/nvme",
    "/dev/mmcblk", "/dev/dm-", "/dev/mapper", "/dev/md", "/dev/loop", "/dev/disk", "/dev/block", "/dev/sg",
    "/dev/bus", "/dev/input", "/dev/uinput", "/dev/tty", "/dev/console", "/dev/pts", "/dev/ptmx", "/dev/shm",
    "/dev/mqueue", "/dev/fd", "/dev/hugepages", "/dev/vfio", "/dev/raw", "/dev/cpu/", "/dev/ipmi",
];
