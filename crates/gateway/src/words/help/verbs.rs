//! What is said of each docker verb. One row each.

use doorward_policy::Verb;

/// What a verb's help shows of the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touches {
    /// Containers of the role's `containers`.
    Containers,
    /// Images of the role's `images`.
    Images,
    /// Both, networks and volumes.
    Everything,
    /// Networks of the role's `networks`.
    Networks,
    /// Volumes of the role's `volumes`.
    Volumes,
    /// What the role's `exec` table says.
    Exec,
    /// What a new container may ask for.
    Run,
    /// Nothing that is anybody's.
    Nothing,
}

/// One verb.
pub(super) struct VerbHelp {
    pub(super) verb: Verb,
    /// After `docker`.
    pub(super) usage: &'static str,
    pub(super) about: &'static str,
    pub(super) touches: Touches,
}

const fn row(verb: Verb, usage: &'static str, about: &'static str, touches: Touches) -> VerbHelp {
    VerbHelp { verb, usage, about, touches }
}

use Touches::{Containers, Everything, Exec, Images, Networks, Nothing, Run, Volumes};

/// The table.
#[rustfmt::skip]
pub(super) const VERBS: &[VerbHelp] = &[
    row(Verb::Ps, "ps [-a] [-q]", "Lists containers; others are not shown.", Containers),
    row(Verb::Images, "images [-q]", "Lists images; others are not shown.", Images),
    row(Verb::Info, "info", "About the engine.", Nothing),
    row(Verb::Version, "version", "Versions of docker and of the engine.", Nothing),
    row(Verb::Stats, "stats --no-stream CONTAINER", "What a container uses.", Containers),
    row(Verb::Top, "top CONTAINER", "A container's processes.", Containers),
    row(Verb::Logs, "logs [--tail N] [-f] CONTAINER", "What a container printed.", Containers),
    row(Verb::Inspect, "inspect NAME", "All about one object; secrets of what is not your own are left out.", Everything),
    row(Verb::History, "history IMAGE", "What an image was made of.", Images),
    row(Verb::Wait, "wait CONTAINER", "Waits until a container ends and prints its exit status.", Containers),
    row(Verb::Start, "start CONTAINER", "Starts a container, when its configuration would be allowed now.", Containers),
    row(Verb::Stop, "stop [-t SECONDS] CONTAINER", "Stops a container.", Containers),
    row(Verb::Restart, "restart CONTAINER", "Stops a container and starts it again.", Containers),
    row(Verb::Kill, "kill CONTAINER", "Sends a container a signal.", Containers),
    row(Verb::Pause, "pause CONTAINER", "Holds a container.", Containers),
    row(Verb::Unpause, "unpause CONTAINER", "Lets it go on.", Containers),
    row(Verb::Rename, "rename CONTAINER NAME", "Gives a container another name.", Containers),
    row(Verb::Update, "update CONTAINER", "Changes what a container may use.", Containers),
    row(Verb::Rm, "rm [-f] CONTAINER", "Removes a container.", Containers),
    row(Verb::Rmi, "rmi IMAGE", "Removes an image.", Images),
    row(Verb::Pull, "pull IMAGE", "Fetches an image from its registry.", Images),
    row(Verb::Tag, "tag IMAGE NAME", "Gives an own image another name.", Images),
    row(Verb::Push, "push NAME:TAG", "Sends an own image to the registry in its name, without a password.", Images),
    row(Verb::Save, "save IMAGE", "An own image as an archive: with a docker client on your side.", Images),
    row(Verb::Run, "run [OPTION…] IMAGE [COMMAND…]", "Makes a container and starts it.", Run),
    row(Verb::Exec, "exec CONTAINER COMMAND…", "Runs a command in a container, when it is one of these.", Exec),
    row(Verb::Build, "build -", "Builds an image.", Images),
    row(Verb::Compose, "compose -p PROJECT ps|logs|stop|…", "Several containers at once; what needs a compose file, on your side.", Containers),
    row(Verb::Df, "system df", "What is used on disk.", Nothing),
    row(Verb::Prune, "container prune", "Removes what is not used.", Containers),
    row(Verb::Events, "events", "What happens in the engine.", Containers),
    row(Verb::NetworkLs, "network ls", "Lists networks; others are not shown.", Networks),
    row(Verb::VolumeLs, "volume ls", "Lists volumes; others are not shown.", Volumes),
];

/// Words about a worker's own networks and volumes, which have no verb of their own. `verb` is what grants
/// them.
#[rustfmt::skip]
pub(super) const OWN_OBJECTS: &[VerbHelp] = &[
    row(Verb::Prune, "volume prune", "Removes volumes of your own that are not used.", Volumes),
    row(Verb::Prune, "network prune", "Removes networks of your own that are not used.", Networks),
];
