//! How many objects of its own a worker may have, by its role's `count`.

use crate::{Facts, Lookup};
use doorward_policy::{DockerRole, Reason, Refusal};
use serde_json::Value;

/// The quota of one kind of object.
pub(crate) struct Quota {
    own: Lookup,
    kind: &'static str,
    /// How many for each one of `count`.
    each: usize,
    /// How many when the role says no `count`; `None`: any number.
    without: Option<usize>,
    nearest: &'static str,
}

pub(crate) static CONTAINERS: Quota = Quota {
    own: Lookup::OwnContainers,
    kind: "containers",
    each: 1,
    without: None,
    nearest: "docker rm a container that is no longer needed",
};

/// An engine has about 30 subnets in all.
pub(crate) static NETWORKS: Quota = Quota {
    own: Lookup::OwnNetworks,
    kind: "networks",
    each: 1,
    without: Some(8),
    nearest: "remove a network that is no longer needed",
};

pub(crate) static VOLUMES: Quota = Quota {
    own: Lookup::OwnVolumes,
    kind: "volumes",
    each: 4,
    without: Some(32),
    nearest: "docker volume rm a volume that is no longer needed",
};

/// Stages of a build that are not its last leave an image without a name each.
pub(crate) static IMAGES: Quota = Quota {
    own: Lookup::OwnImages,
    kind: "images",
    each: 8,
    without: Some(64),
    nearest: "docker image prune, or docker rmi an image that is no longer needed",
};

impl Quota {
    /// Whether so many more may be made; refused also when it is not known how many there are.
    pub(crate) fn admits(&self, role: &DockerRole, facts: &Facts, more: usize) -> Result<(), Refusal> {
        let have = self.have(facts)?;
        let count = role.run.count.and_then(|count| usize::try_from(count).ok());
        match count.map(|count| count.saturating_mul(self.each)).or(self.without) {
            Some(most) if have.saturating_add(more) > most => {
                let message = format!("this worker already has {have} {}, of {most} allowed", self.kind);
                Err(Refusal::new(Reason::QuotaReached, message).nearest(self.nearest))
            }
            _ => Ok(()),
        }
    }

    fn have(&self, facts: &Facts) -> Result<usize, Refusal> {
        let found = facts.about(&self.own);
        // Volumes are listed one level deeper, and none of them as null.
        let list = match self.own {
            Lookup::OwnVolumes => found.and_then(|found| found.get("Volumes")),
            _ => found,
        };
        match list {
            Some(Value::Array(list)) => Ok(list.len()),
            Some(Value::Null) => Ok(0),
            _ => {
                let message = "the engine did not tell what this worker already has";
                Err(Refusal::new(Reason::EngineUnavailable, message))
            }
        }
    }
}
