//! Every method and path of the Engine API, from the published schemas 1.41 and 1.55 and beyond them what
//! engines serve without saying so.

use crate::Effect::{self, Changes, None as Looks, ReadsOut};
use crate::ParamKind::{
    Arguments, ClassicBuilder, Empty, Filters, Flag, FlagOn, Labels, Neutral, Never, Number, OneOf, PsArgs,
    Signal, Tail, Text, Texts, Time,
};
use crate::Travel::{self, Hijack, Stream, Whole};
use crate::query::CLASSIC_BUILD;
use crate::{Access, Act, Body, Endpoint, Grant, Param, ParamKind};
use doorward_policy::{BUILDKIT_REFUSED, Reason, Verb};

/// Finds the row for a method and the components of a decoded path, with the path's parameters.
pub(crate) fn find(method: &str, path: &str) -> Option<(&'static Endpoint, Vec<String>)> {
    ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.method == method)
        .find_map(|endpoint| Some((endpoint, parameters(endpoint.path, path)?)))
}

/// Matches a template. `{name}` in the middle or at the end takes one component, in `/images/{name}/…` and
/// `/distribution/…` and `/plugins/…` one or more, as image names hold slashes.
fn parameters(template: &str, path: &str) -> Option<Vec<String>> {
    let Some((before, rest)) = template.split_once('{') else {
        return (template == path).then(Vec::new);
    };
    let (_, after) = rest.split_once('}')?;
    let value = path.strip_prefix(before)?;
    match after.split_once('{') {
        None => {
            let value = value.strip_suffix(after)?;
            let many = ["/images/", "/distribution/", "/plugins/"].contains(&before);
            (!value.is_empty() && (many || !value.contains('/'))).then(|| vec![value.to_owned()])
        }
        Some(_) => {
            let at = value.find('/')?;
            let (value, rest) = value.split_at_checked(at)?;
            let mut found = parameters(after, rest)?;
            found.insert(0, value.to_owned());
            (!value.is_empty()).then_some(found)
        }
    }
}

const fn param(name: &'static str, kind: ParamKind) -> Param {
    Param { name, kind }
}

/// A row that may be used.
const fn row(
    method: &'static str,
    path: &'static str,
    grants: &'static [Grant],
    effect: Effect,
    travel: Travel,
    act: Act,
    query: &'static [Param],
) -> Endpoint {
    let access = if grants.is_empty() { Access::Always } else { Access::Granted(grants) };
    Endpoint { method, path, access, effect, query, body: Body::None, travel, act }
}

/// A row that takes a JSON body.
const fn with_body(endpoint: Endpoint, most: usize) -> Endpoint {
    Endpoint { body: Body::Json(most), ..endpoint }
}

/// A prune of own objects.
const fn prune(path: &'static str, act: Act, query: &'static [Param]) -> Endpoint {
    row("POST", path, &[Grant::Verb(Verb::Prune)], Changes, Whole, act, query)
}

/// A row that nobody may use.
const fn refused(method: &'static str, path: &'static str, effect: Effect, why: Why) -> Endpoint {
    let (reason, message, nearest) = why;
    let access = Access::Refused { reason, message, nearest };
    Endpoint { method, path, access, effect, query: &[], body: Body::None, travel: Whole, act: Act::Refused }
}

/// A row that is answered as if nothing of its kind existed.
const fn absent(method: &'static str, path: &'static str) -> Endpoint {
    row(method, path, &[], Looks, Whole, Act::Absent, &[])
}

type Why = (Reason, &'static str, &'static str);

const ALWAYS: &[Grant] = &[];
const OWN: Grant = Grant::Own(Verb::Run);
const PROJECT: Grant = Grant::Project(Verb::Compose);
const MIB: usize = 1 << 20;

const SWARM: Why = (Reason::EndpointRefused, "swarm mode would hand this host to its managers", "docker run");
const PLUGIN: Why = (Reason::EndpointRefused, "engine plugins run as root on the host", "");
const FILES: Why = (
    Reason::EndpointRefused,
    "copying files in or out of containers is not allowed",
    "print what is needed in the container and read it with docker logs",
);
const CONTENT: Why =
    (Reason::EndpointRefused, "image and container contents do not leave or enter this way", "docker pull");
const BUILDKIT: Why = (Reason::EndpointRefused, BUILDKIT_REFUSED, CLASSIC_BUILD);
const REGISTRY: Why = (
    Reason::EndpointRefused,
    "the engine does not talk to registries on a worker's word",
    "docker pull IMAGE",
);
const CHECKPOINT: Why = (Reason::EndpointRefused, "checkpoints reach into the host's file system", "");
const DEBUG: Why = (Reason::EndpointRefused, "the engine's debug pages show its memory", "docker info");
const COMMIT: Why =
    (Reason::EndpointRefused, "images are not made from containers", "ask the operator for the image");
const UNKNOWN: Why = (Reason::EndpointRefused, "the Engine API has no such endpoint", "docker ps");
const SOCKET: Why = (
    Reason::EndpointRefused,
    "attaching over a web socket is refused",
    "docker run IMAGE (attaches over HTTP)",
);

/// It ends builds of the other builder alone, whosever they are.
const CANCEL: Why = (
    Reason::EndpointRefused,
    "a build is ended by closing its connection",
    "docker build, and end it with Ctrl-C",
);

/// A signal and a time to wait, as stop and restart take them.
const STOP: &[Param] = &[param("t", Number(-1, 3600)), param("signal", Signal)];
const SIZE: &[Param] = &[param("h", Number(0, 10_000)), param("w", Number(0, 10_000))];
const DETACH_KEYS: Param = param("detachKeys", Text(64));

/// Finds an image by platform; only the engine's own platform is served.
const PLATFORM: Param = param("platform", Empty("choosing a platform is not allowed: leave --platform out"));

/// The table. Rows are tried in order, so fixed paths stand before those with parameters.
pub static ENDPOINTS: &[Endpoint] = &[
    // ── system ──────────────────────────────────────────────────────────────────────────────────
    row("GET", "/_ping", ALWAYS, Looks, Whole, Act::Ping, &[]),
    row("HEAD", "/_ping", ALWAYS, Looks, Whole, Act::Ping, &[]),
    row("GET", "/version", ALWAYS, Looks, Whole, Act::Version, &[]),
    row("GET", "/info", &[Grant::Verb(Verb::Info), PROJECT], Looks, Whole, Act::Info, &[]),
    row(
        "GET",
        "/events",
        &[Grant::Verb(Verb::Events), PROJECT],
        ReadsOut,
        Stream,
        Act::Events,
        &[param("since", Time), param("until", Time), param("filters", Filters(EVENT_FILTERS))],
    ),
    row(
        "GET",
        "/system/df",
        &[Grant::Verb(Verb::Df)],
        Looks,
        Whole,
        Act::DiskUsage,
        &[
            param("type", OneOf(&["container", "image", "volume", "build-cache"])),
            param("verbose", Never("leave verbose out: the lists come without it")),
        ],
    ),
    refused("POST", "/auth", Changes, REGISTRY),
    // ── containers ──────────────────────────────────────────────────────────────────────────────
    row(
        "GET",
        "/containers/json",
        &[Grant::Verb(Verb::Ps), PROJECT],
        Looks,
        Whole,
        Act::ContainerList,
        &[
            param("all", Flag),
            param("limit", Number(-1, 1_000_000)),
            // Sent by docker-py; no engine since API 1.12 reads it, nor `only_ids` below.
            param("trunc_cmd", Flag),
            param("size", Flag),
            param("filters", Filters(CONTAINER_FILTERS)),
        ],
    ),
    with_body(
        row(
            "POST",
            "/containers/create",
            &[Grant::Verb(Verb::Run), PROJECT],
            Changes,
            Whole,
            Act::ContainerCreate,
            &[param("name", Text(255)), PLATFORM],
        ),
        MIB,
    ),
    prune("/containers/prune", Act::ContainerPrune, PRUNE),
    row(
        "GET",
        "/containers/{id}/json",
        &[Grant::Verb(Verb::Inspect), OWN, PROJECT],
        Looks,
        Whole,
        Act::ContainerInspect,
        &[param("size", Flag)],
    ),
    row(
        "GET",
        "/containers/{id}/top",
        &[Grant::Verb(Verb::Top), PROJECT],
        ReadsOut,
        Whole,
        Act::ContainerTop,
        &[param("ps_args", PsArgs)],
    ),
    row(
        "GET",
        "/containers/{id}/logs",
        &[Grant::Verb(Verb::Logs), PROJECT],
        ReadsOut,
        Stream,
        Act::ContainerLogs,
        &[
            param("follow", Flag),
            param("stdout", Flag),
            param("stderr", Flag),
            param("since", Time),
            param("until", Time),
            param("timestamps", Flag),
            param("tail", Tail),
            param("details", Never("log details show the engine's settings: leave --details out")),
        ],
    ),
    refused("GET", "/containers/{id}/changes", ReadsOut, FILES),
    refused("GET", "/containers/{id}/export", ReadsOut, CONTENT),
    row(
        "GET",
        "/containers/{id}/stats",
        &[Grant::Verb(Verb::Stats), PROJECT],
        Looks,
        Stream,
        Act::ContainerStats,
        &[param("stream", FlagOn), param("one-shot", Flag)],
    ),
    row("POST", "/containers/{id}/resize", &[OWN, PROJECT], Changes, Whole, Act::ContainerResize, SIZE),
    row(
        "POST",
        "/containers/{id}/start",
        &[Grant::Verb(Verb::Start), OWN, PROJECT],
        Changes,
        Whole,
        Act::ContainerStart,
        &[
            DETACH_KEYS,
            param("checkpoint", Empty("checkpoints reach into the host's file system")),
            param("checkpoint-dir", Empty("checkpoints reach into the host's file system")),
        ],
    ),
    row(
        "POST",
        "/containers/{id}/stop",
        &[Grant::Verb(Verb::Stop), PROJECT],
        Changes,
        Whole,
        Act::ContainerStop,
        STOP,
    ),
    row(
        "POST",
        "/containers/{id}/restart",
        &[Grant::Verb(Verb::Restart), PROJECT],
        Changes,
        Whole,
        Act::ContainerRestart,
        STOP,
    ),
    row(
        "POST",
        "/containers/{id}/kill",
        &[Grant::Verb(Verb::Kill), OWN, PROJECT],
        Changes,
        Whole,
        Act::ContainerKill,
        &[param("signal", Signal)],
    ),
    with_body(
        row(
            "POST",
            "/containers/{id}/update",
            &[Grant::Verb(Verb::Update)],
            Changes,
            Whole,
            Act::ContainerUpdate,
            &[],
        ),
        MIB / 64,
    ),
    row(
        "POST",
        "/containers/{id}/rename",
        &[Grant::Verb(Verb::Rename), PROJECT],
        Changes,
        Whole,
        Act::ContainerRename,
        &[param("name", Text(255))],
    ),
    row(
        "POST",
        "/containers/{id}/pause",
        &[Grant::Verb(Verb::Pause), PROJECT],
        Changes,
        Whole,
        Act::ContainerPause,
        &[],
    ),
    row(
        "POST",
        "/containers/{id}/unpause",
        &[Grant::Verb(Verb::Unpause), PROJECT],
        Changes,
        Whole,
        Act::ContainerUnpause,
        &[],
    ),
    row(
        "POST",
        "/containers/{id}/attach",
        &[OWN, PROJECT],
        ReadsOut,
        Hijack,
        Act::ContainerAttach,
        &[
            DETACH_KEYS,
            param("logs", Flag),
            param("stream", Flag),
            param("stdin", Flag),
            param("stdout", Flag),
            param("stderr", Flag),
        ],
    ),
    refused("GET", "/containers/{id}/attach/ws", Changes, SOCKET),
    row(
        "POST",
        "/containers/{id}/wait",
        &[Grant::Verb(Verb::Wait), OWN, PROJECT],
        Looks,
        Stream,
        Act::ContainerWait,
        &[param("condition", OneOf(&["not-running", "next-exit", "removed"]))],
    ),
    row(
        "DELETE",
        "/containers/{id}",
        &[Grant::Verb(Verb::Rm), OWN, PROJECT],
        Changes,
        Whole,
        Act::ContainerRemove,
        &[param("v", Flag), param("force", Flag), param("link", Never("links are not used here"))],
    ),
    refused("HEAD", "/containers/{id}/archive", ReadsOut, FILES),
    refused("GET", "/containers/{id}/archive", ReadsOut, FILES),
    refused("PUT", "/containers/{id}/archive", Changes, FILES),
    refused("POST", "/containers/{id}/copy", ReadsOut, FILES),
    refused("GET", "/containers/{id}/checkpoints", ReadsOut, CHECKPOINT),
    refused("POST", "/containers/{id}/checkpoints", Changes, CHECKPOINT),
    refused("DELETE", "/containers/{id}/checkpoints/{checkpoint}", Changes, CHECKPOINT),
    // ── exec ────────────────────────────────────────────────────────────────────────────────────
    with_body(
        row(
            "POST",
            "/containers/{id}/exec",
            &[Grant::Verb(Verb::Exec)],
            Changes,
            Whole,
            Act::ExecCreate,
            &[],
        ),
        MIB / 4,
    ),
    with_body(
        row("POST", "/exec/{id}/start", &[Grant::Verb(Verb::Exec)], Changes, Hijack, Act::ExecStart, &[]),
        MIB / 64,
    ),
    row("POST", "/exec/{id}/resize", &[Grant::Verb(Verb::Exec)], Changes, Whole, Act::ExecResize, SIZE),
    row("GET", "/exec/{id}/json", &[Grant::Verb(Verb::Exec)], Looks, Whole, Act::ExecInspect, &[]),
    // ── images ──────────────────────────────────────────────────────────────────────────────────
    row(
        "GET",
        "/images/json",
        &[Grant::Verb(Verb::Images), PROJECT],
        Looks,
        Whole,
        Act::ImageList,
        &[
            param("all", Flag),
            param("only_ids", Flag),
            param("digests", Flag),
            param("shared-size", Flag),
            param("manifests", Flag),
            param("identity", Flag),
            param("filters", Filters(&["dangling", "label", "reference"])),
        ],
    ),
    row(
        "POST",
        "/images/create",
        &[Grant::Verb(Verb::Pull)],
        Changes,
        Stream,
        Act::ImagePull,
        &[
            param("fromImage", Text(512)),
            param("tag", Text(256)),
            param("fromSrc", Empty("images are not imported from files or addresses: docker pull IMAGE")),
            param("repo", Empty("images are not imported: docker pull IMAGE")),
            param("message", Empty("images are not imported: docker pull IMAGE")),
            param("changes", Empty("an image is pulled as it is: leave changes out")),
            PLATFORM,
        ],
    ),
    refused("GET", "/images/search", ReadsOut, REGISTRY),
    row(
        "GET",
        "/images/get",
        &[Grant::Verb(Verb::Save)],
        ReadsOut,
        Stream,
        Act::ImageSave,
        &[param("names", Texts(512, 16)), PLATFORM],
    ),
    refused("POST", "/images/load", Changes, CONTENT),
    prune("/images/prune", Act::ImagePrune, IMAGE_PRUNE),
    row(
        "GET",
        "/images/{name}/json",
        &[Grant::Verb(Verb::Inspect), Grant::Verb(Verb::Images), Grant::Verb(Verb::Run), PROJECT],
        Looks,
        Whole,
        Act::ImageInspect,
        &[param("manifests", Flag), PLATFORM],
    ),
    row(
        "GET",
        "/images/{name}/history",
        &[Grant::Verb(Verb::History)],
        Looks,
        Whole,
        Act::ImageHistory,
        &[PLATFORM],
    ),
    refused("GET", "/images/{name}/attestations", ReadsOut, CONTENT),
    row(
        "GET",
        "/images/{name}/get",
        &[Grant::Verb(Verb::Save)],
        ReadsOut,
        Stream,
        Act::ImageSave,
        &[PLATFORM],
    ),
    row(
        "POST",
        "/images/{name}/push",
        &[Grant::Verb(Verb::Push)],
        Changes,
        Stream,
        Act::ImagePush,
        &[param("tag", Text(128)), PLATFORM],
    ),
    row(
        "POST",
        "/images/{name}/tag",
        &[Grant::Verb(Verb::Tag)],
        Changes,
        Whole,
        Act::ImageTag,
        &[param("repo", Text(512)), param("tag", Text(128))],
    ),
    row(
        "DELETE",
        "/images/{name}",
        &[Grant::Verb(Verb::Rmi)],
        Changes,
        Whole,
        Act::ImageRemove,
        &[
            param("force", Flag),
            param("noprune", Flag),
            param("platforms", Empty("an image is removed as a whole: leave --platform out")),
        ],
    ),
    refused("POST", "/commit", Changes, COMMIT),
    // ── networks ────────────────────────────────────────────────────────────────────────────────
    row(
        "GET",
        "/networks",
        &[Grant::Verb(Verb::NetworkLs), PROJECT],
        Looks,
        Whole,
        Act::NetworkList,
        NETWORK_LIST,
    ),
    row(
        "GET",
        "/networks/",
        &[Grant::Verb(Verb::NetworkLs), PROJECT],
        Looks,
        Whole,
        Act::NetworkList,
        NETWORK_LIST,
    ),
    with_body(
        row(
            "POST",
            "/networks/create",
            &[Grant::Verb(Verb::Run), PROJECT],
            Changes,
            Whole,
            Act::NetworkCreate,
            &[],
        ),
        MIB / 16,
    ),
    prune("/networks/prune", Act::NetworkPrune, PRUNE),
    row(
        "GET",
        "/networks/{id}",
        &[Grant::Verb(Verb::NetworkLs), Grant::Verb(Verb::Inspect), OWN, PROJECT],
        Looks,
        Whole,
        Act::NetworkInspect,
        &[param("verbose", Never("verbose tells of other hosts")), param("scope", OneOf(&["local"]))],
    ),
    row("DELETE", "/networks/{id}", &[OWN, PROJECT], Changes, Whole, Act::NetworkRemove, &[]),
    with_body(
        row("POST", "/networks/{id}/connect", &[OWN, PROJECT], Changes, Whole, Act::NetworkConnect, &[]),
        MIB / 64,
    ),
    with_body(
        row(
            "POST",
            "/networks/{id}/disconnect",
            &[OWN, PROJECT],
            Changes,
            Whole,
            Act::NetworkDisconnect,
            &[],
        ),
        MIB / 64,
    ),
    // ── volumes ─────────────────────────────────────────────────────────────────────────────────
    row(
        "GET",
        "/volumes",
        &[Grant::Verb(Verb::VolumeLs), PROJECT],
        Looks,
        Whole,
        Act::VolumeList,
        &[param("filters", Filters(&["dangling", "driver", "label", "name"]))],
    ),
    with_body(
        row(
            "POST",
            "/volumes/create",
            &[Grant::Verb(Verb::Run), PROJECT],
            Changes,
            Whole,
            Act::VolumeCreate,
            &[],
        ),
        MIB / 16,
    ),
    prune("/volumes/prune", Act::VolumePrune, VOLUME_PRUNE),
    row(
        "GET",
        "/volumes/{name}",
        &[Grant::Verb(Verb::VolumeLs), Grant::Verb(Verb::Inspect), OWN, PROJECT],
        Looks,
        Whole,
        Act::VolumeInspect,
        &[],
    ),
    refused("PUT", "/volumes/{name}", Changes, SWARM),
    row(
        "DELETE",
        "/volumes/{name}",
        &[OWN, PROJECT],
        Changes,
        Whole,
        Act::VolumeRemove,
        &[param("force", Flag)],
    ),
    // ── build ───────────────────────────────────────────────────────────────────────────────────
    Endpoint {
        body: Body::Context,
        ..row("POST", "/build", &[Grant::Verb(Verb::Build)], Changes, Stream, Act::ImageBuild, BUILD)
    },
    // Part of `docker system prune`, so it cannot be refused; the engine is not asked.
    row("POST", "/build/prune", &[Grant::Verb(Verb::Prune)], Looks, Whole, Act::BuildPrune, BUILD_PRUNE),
    refused("POST", "/build/cancel", Changes, CANCEL),
    refused("POST", "/session", Changes, BUILDKIT),
    refused("POST", "/grpc", Changes, BUILDKIT),
    // ── registry ────────────────────────────────────────────────────────────────────────────────
    refused("GET", "/distribution/{name}/json", ReadsOut, REGISTRY),
    // ── plugins ─────────────────────────────────────────────────────────────────────────────────
    refused("GET", "/plugins", Looks, PLUGIN),
    refused("GET", "/plugins/privileges", ReadsOut, PLUGIN),
    refused("POST", "/plugins/pull", Changes, PLUGIN),
    refused("POST", "/plugins/create", Changes, PLUGIN),
    absent("GET", "/plugins/{name}/json"),
    refused("DELETE", "/plugins/{name}", Changes, PLUGIN),
    refused("POST", "/plugins/{name}/enable", Changes, PLUGIN),
    refused("POST", "/plugins/{name}/disable", Changes, PLUGIN),
    refused("POST", "/plugins/{name}/upgrade", Changes, PLUGIN),
    refused("POST", "/plugins/{name}/push", Changes, PLUGIN),
    refused("POST", "/plugins/{name}/set", Changes, PLUGIN),
    // ── swarm ───────────────────────────────────────────────────────────────────────────────────
    refused("GET", "/swarm", Looks, SWARM),
    refused("POST", "/swarm/init", Changes, SWARM),
    refused("POST", "/swarm/join", Changes, SWARM),
    refused("POST", "/swarm/leave", Changes, SWARM),
    refused("POST", "/swarm/update", Changes, SWARM),
    refused("GET", "/swarm/unlockkey", ReadsOut, SWARM),
    refused("POST", "/swarm/unlock", Changes, SWARM),
    refused("GET", "/nodes", Looks, SWARM),
    refused("GET", "/nodes/{id}", Looks, SWARM),
    refused("DELETE", "/nodes/{id}", Changes, SWARM),
    refused("POST", "/nodes/{id}/update", Changes, SWARM),
    refused("GET", "/services", Looks, SWARM),
    refused("POST", "/services/create", Changes, SWARM),
    refused("GET", "/services/{id}", Looks, SWARM),
    refused("DELETE", "/services/{id}", Changes, SWARM),
    refused("POST", "/services/{id}/update", Changes, SWARM),
    refused("GET", "/services/{id}/logs", ReadsOut, SWARM),
    refused("GET", "/tasks", Looks, SWARM),
    refused("GET", "/tasks/{id}", Looks, SWARM),
    refused("GET", "/tasks/{id}/logs", ReadsOut, SWARM),
    refused("GET", "/secrets", Looks, SWARM),
    refused("POST", "/secrets/create", Changes, SWARM),
    refused("GET", "/secrets/{id}", ReadsOut, SWARM),
    refused("DELETE", "/secrets/{id}", Changes, SWARM),
    refused("POST", "/secrets/{id}/update", Changes, SWARM),
    refused("GET", "/configs", Looks, SWARM),
    refused("POST", "/configs/create", Changes, SWARM),
    refused("GET", "/configs/{id}", ReadsOut, SWARM),
    refused("DELETE", "/configs/{id}", Changes, SWARM),
    refused("POST", "/configs/{id}/update", Changes, SWARM),
    // ── served, but in no schema ────────────────────────────────────────────────────────────────
    refused("GET", "/debug/vars", ReadsOut, DEBUG),
    refused("GET", "/debug/pprof/", ReadsOut, DEBUG),
    refused("GET", "/debug/pprof/{name}", ReadsOut, DEBUG),
    refused("POST", "/debug/pprof/symbol", ReadsOut, DEBUG),
    refused("OPTIONS", "/{any}", Looks, UNKNOWN),
    refused("OPTIONS", "*", Looks, UNKNOWN),
];

/// Filters of `ps`. `before` and `since` are left out: they would tell whether a foreign name exists.
const CONTAINER_FILTERS: &[&str] = &[
    "ancestor", "exited", "expose", "health", "id", "is-task", "label", "name", "network", "publish",
    "status", "volume",
];

/// Filters of events; kept here and not by the engine, which would match what the worker does not see.
const EVENT_FILTERS: &[&str] = &["container", "event", "image", "label", "network", "type", "volume"];

const PRUNE: &[Param] = &[param("filters", Filters(&["label", "label!", "until"]))];
const IMAGE_PRUNE: &[Param] = &[param("filters", Filters(&["dangling", "label", "label!", "until"]))];
/// What a build may ask for, beyond the schema also what engines read without saying so. The sizes are forced.
const BUILD: &[Param] = &[
    param("dockerfile", Text(255)),
    param("t", Texts(512, 16)),
    param("q", Flag),
    param("nocache", Flag),
    // Containers of a build's steps never stay, whatever is asked.
    param("rm", Flag),
    param("forcerm", Flag),
    param("memory", Number(0, i64::MAX)),
    param("memswap", Number(0, i64::MAX)),
    param("cpuperiod", Number(0, 1_000_000)),
    param("cpuquota", Number(0, i64::MAX)),
    param("cpushares", Number(0, 1024)),
    param("shmsize", Number(0, i64::MAX)),
    param("networkmode", Text(255)),
    param("target", Text(255)),
    param("buildargs", Arguments(256)),
    param("labels", Labels(256)),
    param("version", ClassicBuilder(&["1"])),
    param("session", ClassicBuilder(&[])),
    param("outputs", ClassicBuilder(&["null", "[]"])),
    // Only the other builder's sessions have an id to name a build by.
    param("buildid", ClassicBuilder(&[])),
    param("cachefrom", Neutral(&["null", "[]"], "the cache is the engine's own: leave --cache-from out")),
    param("pull", Never("a build pulls nothing: docker pull the image first")),
    param("remote", Empty("the context comes with the request, and not from an address")),
    param("squash", Never("layers are kept as they are: leave --squash out")),
    param("isolation", Neutral(&["default"], "isolation is Windows': leave --isolation out")),
    param("extrahosts", Empty("names of hosts are not given to builds: leave --add-host out")),
    param("ulimits", Neutral(&["null", "[]"], "builds have the engine's own limits: leave --ulimit out")),
    param("securityopt", Empty("builds have the engine's own confinement: leave --security-opt out")),
    param("cgroupparent", Empty("builds stay in the engine's own control groups: leave --cgroup-parent out")),
    param("cpusetcpus", Empty("a build is not bound to processors: leave --cpuset-cpus out")),
    param("cpusetmems", Empty("a build is not bound to memory nodes: leave --cpuset-mems out")),
    PLATFORM,
];

/// None of it matters, as nothing is removed.
const BUILD_PRUNE: &[Param] = &[
    param("all", Flag),
    param("keep-storage", Number(0, i64::MAX)),
    param("reserved-space", Number(0, i64::MAX)),
    param("max-used-space", Number(0, i64::MAX)),
    param("min-free-space", Number(0, i64::MAX)),
    param("filters", Filters(BUILD_PRUNE_FILTERS)),
];
const BUILD_PRUNE_FILTERS: &[&str] = &[
    "description",
    "id",
    "inuse",
    "label",
    "label!",
    "parent",
    "private",
    "shared",
    "type",
    "unused-for",
    "until",
];
const VOLUME_PRUNE: &[Param] = &[param("filters", Filters(&["all", "label", "label!"]))];

const NETWORK_LIST: &[Param] =
    &[param("filters", Filters(&["dangling", "driver", "id", "label", "name", "scope", "type"]))];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_row_stands_once() {
        let all: BTreeSet<_> = ENDPOINTS.iter().map(|row| (row.method, row.path)).collect();
        assert_eq!(all.len(), ENDPOINTS.len());
    }

    #[test]
    fn templates_take_components_and_image_names_take_slashes() {
        let params = |method: &str, path: &str| find(method, path).map(|(row, found)| (row.path, found));
        assert_eq!(params("GET", "/containers/x/json"), Some(("/containers/{id}/json", vec!["x".into()])));
        assert_eq!(params("GET", "/images/a/b:c/json"), Some(("/images/{name}/json", vec!["a/b:c".into()])));
        assert_eq!(
            params("DELETE", "/containers/x/checkpoints/y").map(|(_, found)| found),
            Some(vec!["x".into(), "y".into()])
        );
        assert_eq!(params("GET", "/containers/json").map(|(path, _)| path), Some("/containers/json"));
        for (method, path) in [
            ("GET", "/containers/x/y/json"),
            ("GET", "/containers//json"),
            ("get", "/_ping"),
            ("GET", "/containers"),
            ("PATCH", "/_ping"),
            ("GET", "/Containers/json"),
            ("GET", "/images//json"),
        ] {
            assert!(find(method, path).is_none(), "{method} {path}");
        }
    }
}
