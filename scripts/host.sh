# What ./demo and ./test need of a host: packages, a Docker Engine, a fail2ban server, a journal, an image.
# Sourced, never run. Whatever is started or made here is put on a stack of undo steps; `undo_all`, which the
# caller runs from a trap, takes them off in reverse order and so leaves the host as it was found.

UNDO=()
undo_later() { UNDO+=("$1"); }
undo_all() {
  local i
  for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do eval "${UNDO[i]}" >/dev/null 2>&1 || true; done
  UNDO=()
}

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' BLUE=$'\e[34m' PLAIN=$'\e[0m'
else
  BOLD='' DIM='' RED='' GREEN='' YELLOW='' BLUE='' PLAIN=''
fi

title() { printf '\n%s── %s %s%s\n' "$BOLD" "$1" "$(printf '─%.0s' $(seq $((${#1} < 66 ? 66 - ${#1} : 1))))" "$PLAIN"; }
step() { printf '%s·%s %s\n' "$BLUE" "$PLAIN" "$1"; }
note() { printf '%s! %s%s\n' "$YELLOW" "$1" "$PLAIN"; }
die() { printf '%sfailed:%s %s\n' "$RED" "$PLAIN" "$1" >&2; exit 1; }

is_root() { [[ $(id -u) -eq 0 ]]; }
has() { command -v "$1" >/dev/null 2>&1; }

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
  local until=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

# end_process PID: TERM, then KILL after five seconds.
end_process() {
  kill "$1" 2>/dev/null || return 0
  wait_for 5 process_gone "$1" || kill -KILL "$1" 2>/dev/null || true
}
process_gone() { ! kill -0 "$1" 2>/dev/null; }

# ── packages ─────────────────────────────────────────────────────────────────────────────────────────────

# One line each: what must be there, and the Debian package that brings it.
NEEDED_PROGRAMS='sshd openssh-server
ssh openssh-client
dockerd docker.io
iptables iptables
ss iproute2
fail2ban-client fail2ban
journalctl systemd
busybox busybox-static
curl curl
jq jq
cc build-essential'

missing_packages() {
  local program package
  while read -r program package; do
    [[ $program == dockerd ]] && docker version >/dev/null 2>&1 && continue
    has "$program" || printf '%s\n' "$package"
  done <<<"$NEEDED_PROGRAMS"
}

install_missing_packages() {
  local missing
  mapfile -t missing < <(PATH=$PATH:/usr/sbin:/sbin missing_packages)
  ((${#missing[@]})) || return 0
  is_root || { note "not here, and only root can install them: ${missing[*]}"; return 0; }
  has apt-get || { note "not here, and this is no Debian: ${missing[*]}"; return 0; }
  step "installing with apt-get: ${missing[*]}"
  # A service that a package would start does not start: what is needed is started below, and ended again.
  local deny_start=/usr/sbin/policy-rc.d made=
  if [[ ! -e $deny_start ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$deny_start" && chmod 755 "$deny_start" && made=1
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null ||
    note "apt-get could not install all of them"
  [[ -z $made ]] || rm -f "$deny_start"
}

require_cargo() {
  has cargo || [[ ! -x $HOME/.cargo/bin/cargo ]] || PATH=$HOME/.cargo/bin:$PATH
  has cargo || die "cargo is not here: install Rust from https://rustup.rs, then call this again"
}

# ── a Docker Engine ──────────────────────────────────────────────────────────────────────────────────────

ENGINE_SOCKET=/var/run/docker.sock

engine_answers() { curl -fsS --max-time 5 --unix-socket "$ENGINE_SOCKET" http://engine/_ping; }

# bring_up_engine FOLDER: a log of a started engine is kept in FOLDER.
bring_up_engine() {
  engine_answers >/dev/null 2>&1 && return 0
  [[ -S $ENGINE_SOCKET && ! -w $ENGINE_SOCKET ]] && { note "no access to $ENGINE_SOCKET: join the group docker, or be root"; return 1; }
  is_root && has dockerd || { note "no Docker Engine answers at $ENGINE_SOCKET"; return 1; }
  step "starting a Docker Engine"
  dockerd >"$1/dockerd.log" 2>&1 &
  undo_later "end_process $!"
  wait_for 60 engine_answers || { tail -5 "$1/dockerd.log" >&2; note "the Docker Engine did not start"; return 1; }
}

# make_busybox_image NAME: out of the host's static busybox, with a link for every applet.
make_busybox_image() {
  local tree applet
  has busybox || { note "no static busybox to make an image from"; return 1; }
  tree=$(mktemp -d)
  mkdir -p "$tree"/{bin,tmp,etc}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  for applet in $(busybox --list); do [[ $applet == busybox ]] || ln -s busybox "$tree/bin/$applet"; done
  tar -c -C "$tree" . | docker import --change 'CMD ["sh"]' - "$1" >/dev/null
  rm -rf "$tree"
}

# ── fail2ban ─────────────────────────────────────────────────────────────────────────────────────────────

# bring_up_fail2ban FOLDER: where none runs, a real server with one jail, `sshd`, that bans nobody by itself.
bring_up_fail2ban() {
  has fail2ban-client || { note "no fail2ban here: its rules will answer \"unavailable\""; return 1; }
  fail2ban-client ping >/dev/null 2>&1 && return 0
  is_root || { note "no fail2ban server runs"; return 1; }
  step "starting a fail2ban server with one jail"
  local home=$1/fail2ban
  mkdir -p "$home"/{jail.d,filter.d,action.d,fail2ban.d} /run/fail2ban
  : >"$home/auth.log"
  cat >"$home/fail2ban.conf" <<-CONF
	[Definition]
	loglevel = INFO
	logtarget = $home/fail2ban.log
	syslogsocket = auto
	allowipv6 = auto
	socket = /run/fail2ban/fail2ban.sock
	pidfile = /run/fail2ban/fail2ban.pid
	dbfile = None
	dbpurgeage = 1d
	CONF
  cat >"$home/jail.conf" <<-CONF
	[DEFAULT]
	bantime = 600
	findtime = 600
	maxretry = 5
	backend = polling
	[sshd]
	enabled = true
	filter = login
	logpath = $home/auth.log
	CONF
  printf '[Definition]\nfailregex = ^ Failed password for .* from <HOST>\n' >"$home/filter.d/login.conf"
  fail2ban-server -c "$home" -b start >/dev/null 2>&1 || { note "fail2ban did not start"; return 1; }
  undo_later "fail2ban-client stop; rm -f /run/fail2ban/fail2ban.pid /run/fail2ban/fail2ban.sock"
  wait_for 20 fail2ban-client status sshd || { note "fail2ban did not answer"; return 1; }
  fail2ban-client set sshd banip 192.0.2.7 >/dev/null # a documentation address: nobody's
}

# ── the journal ──────────────────────────────────────────────────────────────────────────────────────────

# bring_up_journal FOLDER: where no journald runs (a container, a machine without systemd), a real one.
bring_up_journal() {
  local daemon=/usr/lib/systemd/systemd-journald
  has journalctl || { note "no journalctl here: its rule will answer \"unavailable\""; return 1; }
  [[ -S /run/systemd/journal/socket ]] && pgrep -x systemd-journal >/dev/null && return 0
  is_root && [[ -x $daemon ]] || { note "no journal is written here"; return 1; }
  step "starting a journal"
  if [[ ! -d /run/log/journal ]]; then
    undo_later "rm -rf /run/log/journal /run/systemd/journal"
    mkdir -p /run/log/journal && chgrp systemd-journal /run/log/journal && chmod 2755 /run/log/journal
  fi
  "$daemon" >"$1/journald.log" 2>&1 &
  undo_later "end_process $!"
  wait_for 10 test -S /run/systemd/journal/socket || { note "the journal did not start"; return 1; }
  printf 'MESSAGE=a line for fail2ban.service\nSYSLOG_IDENTIFIER=fail2ban\nOBJECT_SYSTEMD_UNIT=fail2ban.service\n' |
    logger --journald || true
  wait_for 10 sh -c 'journalctl -q -u fail2ban -n 1 | grep -q line' || note "the journal is empty"
}
