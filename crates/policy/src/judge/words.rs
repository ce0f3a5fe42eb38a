//! The docker command's words: one row for each, with what they come to.

use crate::{Reason, Verb};

/// What the words of a docker command come to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// A verb of the policy: the words need any of these, as the engine's socket does. The first is what
    /// they are.
    Verb(&'static [Verb]),
    /// Prints help or the client's version.
    Help,
    /// The pipe to the worker's own socket.
    Dial,
    /// Refused whatever the policy says, with why and what to do instead, for workers with that verb.
    Refused(Reason, &'static str, Option<(Verb, &'static str)>),
}

use Meaning::{Dial, Help, Refused, Verb as Is};
use Reason::VerbNotAllowed;

const FILES: &str = "it takes files out of containers or puts them in";
const CREATE: &str = "a line makes a container and starts it in one step";
const NETWORK: &str =
    "a line changes no networks; the Engine API does so with own ones, for whoever has `run`";
const VOLUME: &str = "a line changes no volumes; the Engine API does so with own ones, for whoever has `run`";
const RUN: Option<(Verb, &str)> = Some((Verb::Run, "docker run …"));
const OWN_CLIENT: Option<(Verb, &str)> =
    Some((Verb::Run, "the same on your side, with DOCKER_HOST=ssh://USER@HOST"));
const NAMED_VOLUME: Option<(Verb, &str)> = Some((
    Verb::Run,
    "docker run -v NAME:/data IMAGE makes it; or on your side, with DOCKER_HOST=ssh://USER@HOST",
));
const LOGS: Option<(Verb, &str)> = Some((Verb::Logs, "docker logs CONTAINER"));
const PULL: Option<(Verb, &str)> = Some((Verb::Pull, "docker pull IMAGE"));
const SWARM: &str = "swarm is not part of what workers do";
const PLUGIN: &str = "plugins run on the host with the engine's privilege";
const LOGIN: &str = "registry passwords are the operator's";
const CONTEXT: &str = "doorward chooses the engine: your own socket";
/// The one sentence for all that asks for BuildKit, on a line and at the socket.
pub const BUILDKIT_REFUSED: &str =
    "BuildKit cannot be judged and is refused: only the classic builder builds here";
const CLASSIC: Option<(Verb, &str)> = Some((Verb::Build, "docker build -"));
const REGISTRY: &str = "images come from a registry that the policy names";
const ARCHIVE: &str = "an archive is no text that a line could answer";
const SAVE: Option<(Verb, &str)> =
    Some((Verb::Save, "the same on your side, with DOCKER_HOST=ssh://USER@HOST"));
const COMMIT: &str = "images come from `images` and `tags` of the policy alone";
const DIFF: &str = "it lists a container's files";
const EXEC: &str = "what runs in a container is decided by the exec table";

/// Of containers, which whoever may make them may look at.
const INSPECT: &[Verb] = &[Verb::Inspect, Verb::Run];

/// The table: words after `docker`, longest match first.
#[rustfmt::skip]
pub(super) const WORDS: &[(&str, Meaning)] = &[
    ("ps", Is(&[Verb::Ps])), ("images", Is(&[Verb::Images])), ("info", Is(&[Verb::Info])), ("version", Is(&[Verb::Version])),
    ("stats", Is(&[Verb::Stats])), ("top", Is(&[Verb::Top])), ("logs", Is(&[Verb::Logs])), ("inspect", Is(INSPECT)),
    ("history", Is(&[Verb::History])), ("wait", Is(&[Verb::Wait, Verb::Run])), ("start", Is(&[Verb::Start, Verb::Run])), ("stop", Is(&[Verb::Stop])),
    ("restart", Is(&[Verb::Restart])), ("kill", Is(&[Verb::Kill, Verb::Run])), ("pause", Is(&[Verb::Pause])),
    ("unpause", Is(&[Verb::Unpause])), ("rename", Is(&[Verb::Rename])), ("update", Is(&[Verb::Update])), ("rm", Is(&[Verb::Rm, Verb::Run])),
    ("rmi", Is(&[Verb::Rmi])), ("pull", Is(&[Verb::Pull])), ("run", Is(&[Verb::Run])), ("exec", Is(&[Verb::Exec])),
    ("build", Is(&[Verb::Build])), ("compose", Is(&[Verb::Compose])), ("events", Is(&[Verb::Events])),
    ("help", Help), ("--help", Help), ("-h", Help), ("--version", Help), ("-v", Help),

    ("container ls", Is(&[Verb::Ps])), ("container list", Is(&[Verb::Ps])), ("container ps", Is(&[Verb::Ps])),
    ("container inspect", Is(INSPECT)), ("container logs", Is(&[Verb::Logs])), ("container run", Is(&[Verb::Run])),
    ("container start", Is(&[Verb::Start, Verb::Run])), ("container stop", Is(&[Verb::Stop])),
    ("container restart", Is(&[Verb::Restart])), ("container rm", Is(&[Verb::Rm, Verb::Run])), ("container remove", Is(&[Verb::Rm, Verb::Run])),
    ("container wait", Is(&[Verb::Wait, Verb::Run])), ("container stats", Is(&[Verb::Stats])), ("container top", Is(&[Verb::Top])),
    ("container kill", Is(&[Verb::Kill, Verb::Run])), ("container pause", Is(&[Verb::Pause])),
    ("container unpause", Is(&[Verb::Unpause])), ("container rename", Is(&[Verb::Rename])),
    ("container update", Is(&[Verb::Update])), ("container prune", Is(&[Verb::Prune])), ("container exec", Is(&[Verb::Exec])),
    ("container create", Refused(VerbNotAllowed, CREATE, RUN)),
    ("container attach", Refused(VerbNotAllowed, EXEC, LOGS)),
    ("container cp", Refused(VerbNotAllowed, FILES, None)),
    ("container commit", Refused(VerbNotAllowed, COMMIT, None)),
    ("container diff", Refused(VerbNotAllowed, DIFF, None)),
    ("container export", Refused(VerbNotAllowed, FILES, None)),
    ("container port", Is(INSPECT)),
    ("image ls", Is(&[Verb::Images])), ("image list", Is(&[Verb::Images])), ("image inspect", Is(&[Verb::Inspect, Verb::Images, Verb::Run])),
    ("image history", Is(&[Verb::History])), ("image rm", Is(&[Verb::Rmi])), ("image remove", Is(&[Verb::Rmi])),
    ("image pull", Is(&[Verb::Pull])), ("image build", Is(&[Verb::Build])), ("image prune", Is(&[Verb::Prune])),
    ("image load", Refused(VerbNotAllowed, REGISTRY, PULL)),
    ("image import", Refused(VerbNotAllowed, REGISTRY, PULL)),
    ("image save", Refused(VerbNotAllowed, ARCHIVE, SAVE)),
    ("image push", Is(&[Verb::Push])),
    ("image tag", Is(&[Verb::Tag])),
    ("network ls", Is(&[Verb::NetworkLs])), ("network list", Is(&[Verb::NetworkLs])), ("network inspect", Is(&[Verb::Inspect, Verb::NetworkLs, Verb::Run])),
    ("network create", Refused(VerbNotAllowed, NETWORK, OWN_CLIENT)),
    ("network rm", Refused(VerbNotAllowed, NETWORK, OWN_CLIENT)),
    ("network remove", Refused(VerbNotAllowed, NETWORK, OWN_CLIENT)),
    ("network connect", Refused(VerbNotAllowed, NETWORK, OWN_CLIENT)),
    ("network disconnect", Refused(VerbNotAllowed, NETWORK, OWN_CLIENT)),
    ("network prune", Is(&[Verb::Prune])),
    ("volume ls", Is(&[Verb::VolumeLs])), ("volume list", Is(&[Verb::VolumeLs])), ("volume inspect", Is(&[Verb::Inspect, Verb::VolumeLs, Verb::Run])),
    ("volume create", Refused(VerbNotAllowed, VOLUME, NAMED_VOLUME)),
    ("volume rm", Refused(VerbNotAllowed, VOLUME, OWN_CLIENT)),
    ("volume remove", Refused(VerbNotAllowed, VOLUME, OWN_CLIENT)),
    ("volume update", Refused(VerbNotAllowed, SWARM, None)),
    ("volume prune", Is(&[Verb::Prune])),
    ("system df", Is(&[Verb::Df])), ("system events", Is(&[Verb::Events])), ("system info", Is(&[Verb::Info])),
    ("system prune", Is(&[Verb::Prune])), ("system dial-stdio", Dial),
    ("builder build", Is(&[Verb::Build])),
    ("builder prune", Is(&[Verb::Prune])),

    ("create", Refused(VerbNotAllowed, CREATE, RUN)),
    ("attach", Refused(VerbNotAllowed, EXEC, LOGS)),
    ("cp", Refused(VerbNotAllowed, FILES, None)),
    ("commit", Refused(VerbNotAllowed, COMMIT, None)),
    ("diff", Refused(VerbNotAllowed, DIFF, None)),
    ("export", Refused(VerbNotAllowed, FILES, None)),
    ("port", Is(INSPECT)),
    ("import", Refused(VerbNotAllowed, REGISTRY, PULL)),
    ("load", Refused(VerbNotAllowed, REGISTRY, PULL)),
    ("save", Refused(VerbNotAllowed, ARCHIVE, SAVE)),
    ("push", Is(&[Verb::Push])),
    ("tag", Is(&[Verb::Tag])),
    ("search", Refused(VerbNotAllowed, "it asks a registry in the engine's name", None)),
    ("login", Refused(VerbNotAllowed, LOGIN, None)), ("logout", Refused(VerbNotAllowed, LOGIN, None)),
    ("plugin", Refused(VerbNotAllowed, PLUGIN, None)), ("context", Refused(VerbNotAllowed, CONTEXT, None)),
    ("buildx", Refused(VerbNotAllowed, BUILDKIT_REFUSED, CLASSIC)), ("bake", Refused(VerbNotAllowed, BUILDKIT_REFUSED, CLASSIC)),
    ("checkpoint", Refused(VerbNotAllowed, "a checkpoint holds a container's memory", None)),
    ("swarm", Refused(VerbNotAllowed, SWARM, None)), ("node", Refused(VerbNotAllowed, SWARM, None)),
    ("service", Refused(VerbNotAllowed, SWARM, None)), ("stack", Refused(VerbNotAllowed, SWARM, None)),
    ("secret", Refused(VerbNotAllowed, SWARM, None)), ("config", Refused(VerbNotAllowed, SWARM, None)),
    ("trust", Refused(VerbNotAllowed, "signing keys are the operator's", None)),
    ("manifest", Refused(VerbNotAllowed, "it changes what a registry holds", None)),
];

/// Words that need a second one; alone, or with `--help`, they print help.
pub(super) const GROUPS: &[&str] = &["container", "image", "network", "volume", "system", "builder"];

/// Options before the verb that choose another engine or configuration.
pub(super) const GLOBAL_OPTIONS: &[&str] = &[
    "-H",
    "--host",
    "--context",
    "-c",
    "--config",
    "--tls",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--tlsverify",
    "-l",
    "--log-level",
    "-D",
    "--debug",
];

impl Verb {
    /// Whether docker has commands that begin with this word, like `network`.
    pub fn is_group(word: &str) -> bool {
        GROUPS.contains(&word)
    }

    /// The verbs that the commands of such a group come to.
    pub fn of_group(group: &str) -> Vec<Verb> {
        let of = |(words, meaning): &(&str, Meaning)| match meaning {
            Is(verbs) if words.split_once(' ').is_some_and(|(first, _)| first == group) => verbs.first(),
            _ => None,
        };
        WORDS.iter().filter_map(of).copied().collect()
    }
}
