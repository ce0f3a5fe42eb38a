//! `whoami`: which worker asks, with which roles and limits.

use crate::conversation::Gone;
use crate::record::Request;
use crate::session::{Answer, Session};

impl Session {
    pub(super) async fn whoami(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        if !words.is_empty() {
            return self.refuse_usage(request, "whoami").await;
        }
        let limits = self.limits();
        let roles: Vec<_> =
            self.known.policy.roles_of(&self.asker.worker).map(|role| role.name.as_str()).collect();
        let text = format!(
            "worker   {}\nuid      {}\nroles    {}\nsession  {}\nkey      {}\nsource   {}\n\
             limits   {} of {} lines run now; {} lines a minute; {} s and {} of output a line\npolicy   {}\n",
            self.asker.worker,
            self.asker.uid,
            roles.join(", "),
            self.asker.session,
            self.asker.key.as_deref().unwrap_or("unknown"),
            self.asker.source.as_deref().unwrap_or("unknown"),
            self.gateway.counts.running(&self.asker.worker),
            limits.lines_concurrent,
            limits.lines_per_minute,
            limits.lines_seconds,
            crate::clock::size(limits.lines_output),
            self.known.policy.hash.0,
        );
        self.show(request, &text).await
    }
}
