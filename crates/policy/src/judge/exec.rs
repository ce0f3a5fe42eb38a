//! A command in a container.

use super::command::{closeness, missed};
use crate::{ExecRule, Glob, Policy, Reason, Refusal};

impl Policy {
    /// Whether a worker may execute `argv` in the container of this name (without a leading `/`);
    /// `owned_by` is the worker whose label the container carries. The table's key `own` means the worker's
    /// own containers; any other key is a name, or a name with `*`, and never reaches what another worker
    /// owns.
    pub fn judge_exec(
        &self,
        worker: &str,
        container_name: &str,
        owned_by: Option<&str>,
        argv: &[&str],
    ) -> Result<&ExecRule, Refusal> {
        self.clean_words(worker, argv)?;
        let own = owned_by == Some(worker);
        if owned_by.is_some() && !own {
            return Err(self.no_exec(worker));
        }
        let names = |key: &str| if key == "own" { own } else { Glob(key.to_owned()).matches(container_name) };
        self.find_exec(worker, names, argv)
    }

    /// The rule among the tables whose key `names` accepts.
    pub(super) fn find_exec(
        &self,
        worker: &str,
        names: impl Fn(&str) -> bool,
        argv: &[&str],
    ) -> Result<&ExecRule, Refusal> {
        let mut closest: Option<&ExecRule> = None;
        for docker in self.docker_roles(worker) {
            for (_, rules) in docker.exec.iter().filter(|(key, _)| names(key)) {
                if let Some(rule) = rules.iter().find(|rule| rule.pattern.matches(argv)) {
                    return Ok(rule);
                }
                let candidates = closest.into_iter().chain(rules);
                closest = candidates.min_by_key(|rule| closeness(&rule.pattern, argv));
            }
        }
        match closest {
            None => Err(self.no_exec(worker)),
            Some(rule) => {
                let same = argv.first() == Some(&rule.pattern.first_word());
                let refusal = if same {
                    missed(&rule.pattern, argv)
                } else {
                    Refusal::new(Reason::NotInPolicy, "this command may not be executed in that container")
                };
                Err(refusal.nearest(rule.pattern.usage()).rule(rule.id.clone()))
            }
        }
    }

    /// Says the same for a container that does not exist and for one that is not the worker's.
    fn no_exec(&self, worker: &str) -> Refusal {
        let refusal =
            Refusal::new(Reason::NotInPolicy, "nothing may be executed in that container by your roles");
        let first = self.docker_roles(worker).find_map(|docker| {
            let (key, rules) = docker.exec.iter().next()?;
            Some((key, rules.first()?))
        });
        match first {
            Some((key, rule)) => {
                let container = if key == "own" { "OWN-CONTAINER" } else { key };
                refusal.nearest(format!("docker exec {container} {}", rule.pattern.usage()))
            }
            None => refusal,
        }
    }
}
