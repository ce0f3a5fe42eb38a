//! What a row of the endpoint table says.

use crate::Effect;
use doorward_policy::{Reason, Verb};

/// One method and path of the Engine API.
#[derive(Debug)]
pub struct Endpoint {
    /// HTTP method, in capitals.
    pub method: &'static str,
    /// Path without version, its parameters in braces: `/containers/{id}/json`.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// What it does to the host.
    pub effect: Effect,
    /// Every query parameter that it has; others are refused.
    pub query: &'static [Param],
    /// Which body may come.
    pub body: Body,
    /// How the engine's answer travels.
    pub travel: Travel,
    /// What it means, and so which function judges it.
    pub act: Act,
}

/// Who may use an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every worker.
    Always,
    /// Workers of a role with one of these.
    Granted(&'static [Grant]),
    /// Nobody.
    Refused {
        /// Stable code.
        reason: Reason,
        /// Why, in one sentence.
        message: &'static str,
        /// What is allowed instead; may be empty.
        nearest: &'static str,
    },
}

/// What grants an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// This verb, on whatever the role's selectors name.
    Verb(Verb),
    /// This verb, on own objects alone: what `run` brings with it.
    Own(Verb),
    /// This verb, on own objects of the role's compose projects alone: what `compose` brings with it.
    Project(Verb),
}

/// Which body an endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// None; not even an empty object.
    None,
    /// A JSON object of at most so many bytes, typed by the field table.
    Json(usize),
    /// The folder of a build, as a plain or gzip tar archive: not read here, but by who carries it.
    Context,
}

/// How an endpoint's answer travels; exec start and attach decide between these by request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// One bounded body.
    Whole,
    /// Piece by piece.
    Stream,
    /// A raw two-way stream.
    Hijack,
}

/// A query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Exact name.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: ParamKind,
}

/// Which values a query parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// `1`, `0`, `true`, `false` in any case; empty is false.
    Flag,
    /// A flag that is on when it is absent.
    FlagOn,
    /// A flag that must be false, with the reason.
    Never(&'static str),
    /// A decimal number in this range.
    Number(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A Unix time, whole or with up to nine decimals.
    Time,
    /// `all` or a number.
    Tail,
    /// A signal name or number.
    Signal,
    /// What `ps` is to list: nothing that shows a process's environment.
    PsArgs,
    /// Text without control characters, at most so many bytes.
    Text(usize),
    /// Must be absent or empty, with the reason.
    Empty(&'static str),
    /// One of these words, which all say nothing, with the reason against any other; never sent on.
    Neutral(&'static [&'static str], &'static str),
    /// One of these words, or empty: anything else asks for BuildKit.
    ClassicBuilder(&'static [&'static str]),
    /// Text of at most so many bytes, which may come so many times.
    Texts(usize, usize),
    /// An object of at most so many texts, which may be null; their values are secrets.
    Arguments(usize),
    /// An object of at most so many texts.
    Labels(usize),
    /// A filter object with these keys.
    Filters(&'static [&'static str]),
}

/// What an endpoint means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what its row of the table says")]
pub enum Act {
    Ping,
    Version,
    Info,
    Events,
    DiskUsage,
    ContainerList,
    ContainerPrune,
    ContainerInspect,
    ContainerCreate,
    ContainerStart,
    ContainerRestart,
    ContainerStop,
    ContainerKill,
    ContainerWait,
    ContainerRemove,
    ContainerLogs,
    ContainerAttach,
    ContainerResize,
    ContainerPause,
    ContainerUnpause,
    ContainerRename,
    ContainerUpdate,
    ContainerTop,
    ContainerStats,
    ExecCreate,
    ExecStart,
    ExecInspect,
    ExecResize,
    ImageList,
    ImagePrune,
    ImageInspect,
    ImageHistory,
    ImageRemove,
    ImagePull,
    ImageTag,
    ImagePush,
    ImageSave,
    NetworkList,
    NetworkPrune,
    NetworkInspect,
    NetworkCreate,
    NetworkRemove,
    NetworkConnect,
    NetworkDisconnect,
    VolumeList,
    VolumePrune,
    VolumeInspect,
    VolumeCreate,
    VolumeRemove,
    ImageBuild,
    /// Answered without the engine: a worker has nothing in the build cache, which is everybody's.
    BuildPrune,
    /// Answered as absent, whatever is asked for: the worker may see none of its kind.
    Absent,
    /// Refused by its row.
    Refused,
}

/// What is judged by what exists and changes what the next of these is judged by: counts, names, owners, limits. The
/// others act by full id on what was judged, or leave a container in a state that was itself judged.
const TAKE_TURNS: [Act; 14] = [
    Act::ContainerCreate,
    Act::ContainerPrune,
    Act::ContainerRename,
    Act::ContainerUpdate,
    Act::ImagePrune,
    Act::ImageRemove,
    Act::ImageTag,
    Act::NetworkConnect,
    Act::NetworkCreate,
    Act::NetworkDisconnect,
    Act::NetworkPrune,
    Act::VolumeCreate,
    Act::VolumePrune,
    Act::VolumeRemove,
];

impl Act {
    /// Whether of one worker only one of these is judged and done at a time.
    pub fn takes_turns(self) -> bool {
        TAKE_TURNS.contains(&self)
    }
}
