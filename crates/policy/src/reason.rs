//! Stable reason codes of refusals: documented, logged, and shown to the worker.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $name:ident = $code:literal ),+ $(,)?) => {
        /// Why a request was refused. The code never changes its meaning; `docs/reasons.md` lists them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason { $( $(#[doc = $doc])+ #[serde(rename = $code)] $name ),+ }
        impl Reason {
            /// Every reason, for the documentation and the tests.
            pub const ALL: &[Reason] = &[ $( Reason::$name ),+ ];
            /// The stable code, in `snake_case`.
            pub fn code(self) -> &'static str { match self { $( Reason::$name => $code ),+ } }
            /// The reason of that code.
            pub fn named(code: &str) -> Option<Reason> {
                match code { $( $code => Some(Reason::$name), )+ _ => None }
            }
            /// One sentence on what it means.
            pub fn about(self) -> &'static str { match self { $( Reason::$name => concat!($($doc),+) ),+ } }
        }
        impl std::fmt::Display for Reason {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.code()) }
        }
    };
}

reasons! {
    /// No rule of any of the worker's roles allows this.
    NotInPolicy = "not_in_policy",
    /// The account or socket does not belong to a worker of the policy.
    UnknownWorker = "unknown_worker",
    /// The rule's program or group is not on this host.
    Unavailable = "unavailable",
    /// The policy changed between two processes; try again.
    PolicyChanged = "policy_changed",
    /// The audit log cannot be written, so nothing is done.
    AuditUnavailable = "audit_unavailable",
    /// The broker is not running.
    BrokerUnavailable = "broker_unavailable",
    /// The gateway is not running.
    GatewayUnavailable = "gateway_unavailable",
    /// The Docker Engine does not answer.
    EngineUnavailable = "engine_unavailable",
    /// A limit of the worker is reached; try again later.
    RateLimited = "rate_limited",
    /// Too many words, too long a word, line, head or body.
    TooLarge = "too_large",
    /// The bytes are not clean UTF-8, or hold control characters.
    BadEncoding = "bad_encoding",
    /// A shell construct that the line language does not have.
    Construct = "construct",
    /// The request cannot be read as what it should be.
    BadRequest = "bad_request",
    /// The docker verb is in no role of the worker.
    VerbNotAllowed = "verb_not_allowed",
    /// The Engine API has no such endpoint, or none that may be used.
    EndpointRefused = "endpoint_refused",
    /// The body or query has a field that the schemas do not know.
    UnknownField = "unknown_field",
    /// The field's value is beyond what the policy allows.
    FieldNotAllowed = "field_not_allowed",
    /// The object is neither own nor named by the policy.
    ObjectNotAllowed = "object_not_allowed",
    /// The image is not in the role's `images` or `tags`.
    ImageNotAllowed = "image_not_allowed",
    /// The name could be taken for somebody else's object.
    NameNotAllowed = "name_not_allowed",
    /// A quota over what the worker already has is used up.
    QuotaReached = "quota_reached",
    /// What the engine made differs from what was approved, and was removed.
    EngineMismatch = "engine_mismatch",
    /// The feature comes with a later version.
    NotYet = "not_yet",
    /// The sandbox could not be built, so the command did not start.
    SpawnFailed = "spawn_failed",
    /// A bound host path is not root-owned, is a symlink, or others can write to it.
    BindUnsafe = "bind_unsafe",
    /// Doorward itself failed.
    Internal = "internal",
}
