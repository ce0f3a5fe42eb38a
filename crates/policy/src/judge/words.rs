//! The docker command's words: one row for each, with what they come to.

use crate::{Reason, Verb};

/// What the words of a docker command come to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// A verb of the policy.
    Verb(Verb),
    /// Prints help or the client's version.
    Help,
    /// The pipe to the worker's own socket.
    Dial,
    /// Refused whatever the policy says, with why and what to do instead.
    Refused(Reason, &'static str, Option<&'static str>),
}

use Meaning::{Dial, Help, Refused, Verb as Is};
use Reason::{NotYet, VerbNotAllowed};

const FILES: &str = "it takes files out of containers or puts them in";
const CREATE: &str = "containers are created and started in one step";
const OWN_NETWORKS: &str = "a line does not manage networks; the Engine API does, where a role has `run`";
const OWN_CLIENT: &str = "the same with your own docker client: DOCKER_HOST=ssh://USER@HOST";
const OWN_VOLUMES: &str = "named volumes come with a later version";
const SWARM: &str = "swarm is not part of what workers do";
const PLUGIN: &str = "plugins run on the host with the engine's privilege";
const LOGIN: &str = "registry passwords are the operator's";
const CONTEXT: &str = "doorward chooses the engine: your own socket";
const BUILDKIT: &str = "BuildKit is not mediated yet; only the classic builder will be";
const REGISTRY: &str = "images come from a registry that the policy names";
const OFF_HOST: &str = "it takes images off the host";
const OTHER_TAG: &str = "a tag could stand in for another image";
const COMMIT: &str = "images come from `images` and `tags` of the policy alone";
const DIFF: &str = "it lists a container's files";
const EXEC: &str = "what runs in a container is decided by the exec table";

/// The table: words after `docker`, longest match first.
#[rustfmt::skip]
pub(super) const WORDS: &[(&str, Meaning)] = &[
    ("ps", Is(Verb::Ps)), ("images", Is(Verb::Images)), ("info", Is(Verb::Info)), ("version", Is(Verb::Version)),
    ("stats", Is(Verb::Stats)), ("top", Is(Verb::Top)), ("logs", Is(Verb::Logs)), ("inspect", Is(Verb::Inspect)),
    ("history", Is(Verb::History)), ("wait", Is(Verb::Wait)), ("start", Is(Verb::Start)), ("stop", Is(Verb::Stop)),
    ("restart", Is(Verb::Restart)), ("kill", Is(Verb::Kill)), ("pause", Is(Verb::Pause)),
    ("unpause", Is(Verb::Unpause)), ("rename", Is(Verb::Rename)), ("update", Is(Verb::Update)), ("rm", Is(Verb::Rm)),
    ("rmi", Is(Verb::Rmi)), ("pull", Is(Verb::Pull)), ("run", Is(Verb::Run)), ("exec", Is(Verb::Exec)),
    ("build", Is(Verb::Build)), ("compose", Is(Verb::Compose)), ("events", Is(Verb::Events)),
    ("help", Help), ("--help", Help), ("-h", Help), ("--version", Help), ("-v", Help),

    ("container ls", Is(Verb::Ps)), ("container list", Is(Verb::Ps)), ("container ps", Is(Verb::Ps)),
    ("container inspect", Is(Verb::Inspect)), ("container logs", Is(Verb::Logs)), ("container run", Is(Verb::Run)),
    ("container start", Is(Verb::Start)), ("container stop", Is(Verb::Stop)),
    ("container restart", Is(Verb::Restart)), ("container rm", Is(Verb::Rm)), ("container remove", Is(Verb::Rm)),
    ("container wait", Is(Verb::Wait)), ("container stats", Is(Verb::Stats)), ("container top", Is(Verb::Top)),
    ("container kill", Is(Verb::Kill)), ("container pause", Is(Verb::Pause)),
    ("container unpause", Is(Verb::Unpause)), ("container rename", Is(Verb::Rename)),
    ("container update", Is(Verb::Update)), ("container prune", Is(Verb::Prune)), ("container exec", Is(Verb::Exec)),
    ("container create", Refused(VerbNotAllowed, CREATE, Some("docker run …"))),
    ("container attach", Refused(VerbNotAllowed, EXEC, Some("docker logs CONTAINER"))),
    ("container cp", Refused(VerbNotAllowed, FILES, None)),
    ("container commit", Refused(VerbNotAllowed, COMMIT, None)),
    ("container diff", Refused(VerbNotAllowed, DIFF, None)),
    ("container export", Refused(VerbNotAllowed, FILES, None)),
    ("container port", Is(Verb::Inspect)),
    ("image ls", Is(Verb::Images)), ("image list", Is(Verb::Images)), ("image inspect", Is(Verb::Inspect)),
    ("image history", Is(Verb::History)), ("image rm", Is(Verb::Rmi)), ("image remove", Is(Verb::Rmi)),
    ("image pull", Is(Verb::Pull)), ("image build", Is(Verb::Build)), ("image prune", Is(Verb::Prune)),
    ("image load", Refused(VerbNotAllowed, REGISTRY, Some("docker pull IMAGE"))),
    ("image import", Refused(VerbNotAllowed, REGISTRY, Some("docker pull IMAGE"))),
    ("image save", Refused(VerbNotAllowed, OFF_HOST, None)),
    ("image push", Refused(VerbNotAllowed, OFF_HOST, None)),
    ("image tag", Refused(VerbNotAllowed, OTHER_TAG, None)),
    ("network ls", Is(Verb::NetworkLs)), ("network list", Is(Verb::NetworkLs)), ("network inspect", Is(Verb::Inspect)),
    ("network create", Refused(VerbNotAllowed, OWN_NETWORKS, Some(OWN_CLIENT))),
    ("network rm", Refused(VerbNotAllowed, OWN_NETWORKS, Some(OWN_CLIENT))),
    ("network remove", Refused(VerbNotAllowed, OWN_NETWORKS, Some(OWN_CLIENT))),
    ("network connect", Refused(VerbNotAllowed, OWN_NETWORKS, Some("docker network ls"))),
    ("network disconnect", Refused(VerbNotAllowed, OWN_NETWORKS, Some("docker network ls"))),
    ("network prune", Refused(VerbNotAllowed, OWN_NETWORKS, Some("docker network ls"))),
    ("volume ls", Is(Verb::VolumeLs)), ("volume list", Is(Verb::VolumeLs)), ("volume inspect", Is(Verb::Inspect)),
    ("volume create", Refused(VerbNotAllowed, OWN_VOLUMES, Some("docker volume ls"))),
    ("volume rm", Refused(VerbNotAllowed, OWN_VOLUMES, Some("docker volume ls"))),
    ("volume remove", Refused(VerbNotAllowed, OWN_VOLUMES, Some("docker volume ls"))),
    ("volume update", Refused(VerbNotAllowed, OWN_VOLUMES, Some("docker volume ls"))),
    ("volume prune", Refused(VerbNotAllowed, OWN_VOLUMES, Some("docker volume ls"))),
    ("system df", Is(Verb::Df)), ("system events", Is(Verb::Events)), ("system info", Is(Verb::Info)),
    ("system prune", Is(Verb::Prune)), ("system dial-stdio", Dial),
    ("builder build", Is(Verb::Build)),
    ("builder prune", Refused(VerbNotAllowed, "the build cache is shared by all of the host", None)),

    ("create", Refused(VerbNotAllowed, CREATE, Some("docker run …"))),
    ("attach", Refused(VerbNotAllowed, EXEC, Some("docker logs CONTAINER"))),
    ("cp", Refused(VerbNotAllowed, FILES, None)),
    ("commit", Refused(VerbNotAllowed, COMMIT, None)),
    ("diff", Refused(VerbNotAllowed, DIFF, None)),
    ("export", Refused(VerbNotAllowed, FILES, None)),
    ("port", Is(Verb::Inspect)),
    ("import", Refused(VerbNotAllowed, REGISTRY, Some("docker pull IMAGE"))),
    ("load", Refused(VerbNotAllowed, REGISTRY, Some("docker pull IMAGE"))),
    ("save", Refused(VerbNotAllowed, OFF_HOST, None)),
    ("push", Refused(VerbNotAllowed, OFF_HOST, None)),
    ("tag", Refused(VerbNotAllowed, OTHER_TAG, None)),
    ("search", Refused(VerbNotAllowed, "it asks a registry in the engine's name", None)),
    ("login", Refused(VerbNotAllowed, LOGIN, None)), ("logout", Refused(VerbNotAllowed, LOGIN, None)),
    ("plugin", Refused(VerbNotAllowed, PLUGIN, None)), ("context", Refused(VerbNotAllowed, CONTEXT, None)),
    ("buildx", Refused(NotYet, BUILDKIT, None)), ("bake", Refused(NotYet, BUILDKIT, None)),
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
