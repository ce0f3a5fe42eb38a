//! Secrets are taken out before anything is stored.

use crate::Runs;
use std::borrow::Cow;

impl Runs {
    /// `text` with every match of the built-in and the policy's patterns replaced by `[redacted]`.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut out = Cow::Borrowed(text);
        for pattern in &self.redact {
            if let Cow::Owned(changed) = pattern.replace_all(&out, "[redacted]") {
                out = Cow::Owned(changed);
            }
        }
        out
    }
}
