//! `whoami`: which worker asks, with which roles and limits.

use super::{Speaker, shown};
use crate::answer::Answer;
use crate::conversation::Gone;
use crate::record::Request;

impl Speaker<'_> {
    pub(super) async fn whoami(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        if let Some(word) = words.first() {
            let wrong = format!("'whoami' takes no words, and {} is one", shown(word));
            return self.refuse_usage(request, wrong, "whoami").await;
        }
        let limits = self.asking.limits();
        let roles: Vec<_> = self
            .asking
            .known
            .policy
            .roles_of(&self.asking.asker.worker)
            .map(|role| role.name.as_str())
            .collect();
        let text = format!(
            "worker   {}\nuid      {}\nroles    {}\nsession  {}\nkey      {}\nsource   {}\n\
             limits   {} of {} lines run now; {} lines a minute; {} s and {} of output a line\npolicy   {}\n",
            self.asking.asker.worker,
            self.asking.asker.uid,
            roles.join(", "),
            self.asking.asker.session,
            self.asking.asker.key.as_deref().unwrap_or("unknown"),
            self.asking.asker.source.as_deref().unwrap_or("unknown"),
            self.asking.gateway.counts.running(&self.asking.asker.worker),
            limits.lines_concurrent,
            limits.lines_per_minute,
            limits.lines_seconds,
            crate::clock::size(limits.lines_output),
            self.asking.known.policy.hash.0,
        );
        self.show(request, &text).await
    }
}
