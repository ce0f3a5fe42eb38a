//! The 31 sudo rules that doorward replaces, one by one, and the docker commands that their comments deny.

use crate::house::House;

/// What becomes of one of the 31 rules.
enum Then {
    /// It does what the rule's author wanted.
    Works,
    /// It does what the rule's author wanted where docker has the plugin, and says so where it has not.
    NeedsPlugin,
    /// It is done with what is the worker's own; what it names here is not.
    NotOwn,
    /// It reaches the engine, which then finds no registry or no such image: not a refusal.
    ReachesTheEngine,
}
use Then::{NeedsPlugin, NotOwn, ReachesTheEngine, Works};

/// In the rules' own order; words in capitals stand for names of this house.
const RULES: [(&str, Then); 31] = [
    ("docker ps", Works),
    ("docker inspect web", Works),
    ("docker logs web", Works),
    ("docker images", Works),
    ("docker info", Works),
    ("docker version", Works),
    ("docker stats --no-stream web", Works),
    ("docker start web", Works),
    ("docker stop -t 1 web", Works),
    ("docker restart -t 1 web", Works),
    ("docker rm -f other", Works),
    ("docker rmi IMAGE", NotOwn),
    ("docker wait done", Works),
    ("docker pull busybox:no-such-tag", ReachesTheEngine),
    ("echo FROM IMAGE | docker build -", Works),
    ("docker run --rm IMAGE echo hello", Works),
    ("docker compose -p PROJECT ps", NeedsPlugin),
    ("docker system df", Works),
    ("docker network ls", Works),
    ("docker volume ls", Works),
    ("iptables -L -n -v", Works),
    ("iptables -S", Works),
    ("fail2ban-client status", Works),
    ("fail2ban-client status sshd", Works),
    ("fail2ban-client get sshd banned", Works),
    ("journalctl -t kernel -n 100", Works),
    ("journalctl -u fail2ban -n 50", Works),
    ("journalctl -u firewall -n 50", Works),
    ("sshd -T", Works),
    ("ss -tlnp", Works),
    ("cat /proc/net/tcp", Works),
];

/// What the rules' comments deny, and ways in which a worker might ask for it.
const DENIED: [&str; 25] = [
    "docker exec web sh",
    "docker exec -it web id",
    "docker container exec web id",
    "docker cp web:/bin/busybox -",
    "docker cp web:/etc /tmp",
    "docker commit web stolen",
    "docker diff web",
    "docker export web",
    "docker import -",
    "docker load",
    "docker save IMAGE",
    "docker attach web",
    "docker push IMAGE",
    "docker tag IMAGE busybox:other",
    "docker create IMAGE",
    "docker container create IMAGE",
    "docker plugin ls",
    "docker plugin install some/plugin",
    "docker network create made-by-hand",
    "docker network rm bridge",
    "docker volume create made-by-hand",
    "docker volume rm made-by-hand",
    "docker swarm init",
    "docker --host tcp://192.0.2.1:2375 ps",
    "docker --config /tmp ps",
];

/// Containers that the walk works on.
fn furnish(house: &mut House) -> String {
    let image = house.image();
    for (name, command) in
        [("web", "sh -c 'echo started; sleep 600'"), ("other", "sleep 600"), ("done", "true")]
    {
        house.ssh(&format!("docker run -d --name {name}-{} {image} {command}", house.worker)).worked();
    }
    image
}

/// A line of the tables with this house's names in it; container names are unique on the host's engine.
fn here(line: &str, image: &str, worker: &str) -> String {
    let words = line.split(' ').map(|word| match word {
        "IMAGE" => image.to_owned(),
        "PROJECT" => format!("lab-{worker}"),
        "web" | "other" | "done" => format!("{word}-{worker}"),
        _ => word.strip_prefix("web:").map_or_else(|| word.to_owned(), |rest| format!("web-{worker}:{rest}")),
    });
    words.collect::<Vec<String>>().join(" ")
}

/// Whether the host's docker has the compose plugin.
fn has_compose() -> bool {
    crate::host::root("docker", &["compose", "version"]).code == 0
}

#[test]
fn each_of_the_31_rules_does_what_its_author_wanted() {
    let mut house = House::plain();
    let image = furnish(&mut house);
    for (rule, then) in &RULES {
        let line = here(rule, &image, &house.worker);
        let said = house.ssh(&line);
        match then {
            Works => assert_eq!(said.code, 0, "{line}: {said:#?}"),
            NeedsPlugin if has_compose() => assert_eq!(said.code, 0, "{line}: {said:#?}"),
            NeedsPlugin => {
                let said = said.refused("unavailable");
                assert!(said.stderr.contains("no compose plugin"), "{line}: {said:#?}");
            }
            NotOwn => {
                assert_ne!(said.code, 0, "{line}: {said:#?}");
                assert!(said.stderr.contains("refused (object_not_allowed): "), "{line}: {said:#?}");
            }
            ReachesTheEngine => {
                assert_ne!(said.code, 0, "{line}: {said:#?}");
                assert!(!said.stderr.contains("refused ("), "{line}: {said:#?}");
                assert!(said.stderr.contains("Error response from daemon"), "{line}: {said:#?}");
            }
        }
    }
}

#[test]
fn each_rule_works_with_a_leading_sudo_as_workers_have_learnt_to_write_it() {
    let house = House::plain();
    for line in [
        "sudo docker ps",
        "sudo -n iptables -S",
        "sudo sudo iptables -L -n -v",
        "sudo -S -p '' ss -tlnp",
        "sudo -- sshd -T",
    ] {
        let said = house.ssh(line);
        assert_eq!(said.code, 0, "{line}: {said:#?}");
    }
    house.ssh("sudo -u root id").refused("construct");
}

#[test]
fn each_denied_docker_command_is_refused_with_its_reason_and_changes_nothing() {
    let mut house = House::plain();
    let image = furnish(&mut house);
    let web = format!("web-{}", house.worker);
    let before =
        crate::host::root("docker", &["inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Pid}}", &web]);
    for line in DENIED {
        let line = here(line, &image, &house.worker);
        let said = house.ssh(&line);
        assert_eq!(said.code, 126, "{line}: {said:#?}");
        assert!(said.stderr.starts_with("doorward: refused ("), "{line}: {said:#?}");
        assert_eq!(said.stdout, "", "{line}: {said:#?}");
    }
    let after =
        crate::host::root("docker", &["inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Pid}}", &web]);
    assert_eq!(before.stdout, after.stdout);
    for made in [["image", "stolen"], ["network", "made-by-hand"], ["volume", "made-by-hand"]] {
        assert_ne!(crate::host::root("docker", &[made[0], "inspect", made[1]]).code, 0, "{made:?} exists");
    }
}

/// What the rules' comments deny on a line comes about by what they allow, with own objects alone.
#[test]
fn own_volumes_come_with_a_container_and_go_with_a_prune() {
    let mut house = House::plain();
    let image = house.image();
    let volume = format!("made-by-hand-{}", house.worker);
    house.ssh(&format!("docker run --rm -v {volume}:/data {image} true")).worked();
    assert_eq!(crate::host::root("docker", &["volume", "inspect", &volume]).code, 0);
    house.ssh("docker system prune -f --volumes").worked();
    assert_ne!(crate::host::root("docker", &["volume", "inspect", &volume]).code, 0);
    assert_eq!(crate::host::root("docker", &["network", "inspect", "bridge"]).code, 0);
    let help = house.ssh("docker --help");
    assert!(help.stderr.contains("help docker"), "{help:#?}");
}

#[test]
fn what_goes_beyond_a_rule_is_refused_and_the_nearest_rule_is_named() {
    let house = House::plain();
    for (line, nearest) in [
        ("journalctl -t kernel -n 100 --file=/etc/shadow", "journalctl"),
        ("journalctl -t kernel -n 501", "journalctl"),
        ("ss -F /etc/shadow", "ss -tlnp"),
        ("ss -tlnp -D /tmp/x", "ss -tlnp"),
        ("sshd -T -f /etc/shadow", "sshd -T"),
        ("iptables -F", "iptables"),
        ("iptables -L -n -v --modprobe=/tmp/x", "iptables -L -n -v"),
        ("fail2ban-client get sshd action iptables-multiport actionban banned", "fail2ban-client get"),
        ("fail2ban-client set sshd unbanip 192.0.2.7", "fail2ban-client"),
        ("cat /etc/shadow", "cat /proc/net/tcp"),
        ("cat /proc/net/tcp /etc/shadow", "cat /proc/net/tcp"),
    ] {
        let said = house.ssh(line).refused("not_in_policy");
        assert!(said.stderr.contains(nearest), "{line}: nearest should be {nearest}: {said:#?}");
    }
    for line in ["id", "sh -c id", "bash -i", "/bin/sh", "python3", "nsenter -t 1 -a sh"] {
        let _ = house.ssh(line).refused("not_in_policy");
    }
}
