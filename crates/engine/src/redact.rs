//! What may be kept of a body: its secrets are taken out.

use doorward_policy::Policy;
use serde_json::{Value, json};

/// A body fit for the audit log: environment values and what the policy redacts are taken out.
pub(crate) fn redacted(value: &Value, policy: &Policy) -> Value {
    match value {
        Value::String(text) => json!(policy.runs.redact(text)),
        Value::Array(list) => list.iter().map(|value| redacted(value, policy)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match key.as_str() {
                "Env" => (key.clone(), without_values(value)),
                _ => (key.clone(), redacted(value, policy)),
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// `NAME=[redacted]` for each entry of an environment.
pub(crate) fn without_values(env: &Value) -> Value {
    let entries = env.as_array().into_iter().flatten().filter_map(Value::as_str);
    entries.map(|entry| format!("{}=[redacted]", entry.split('=').next().unwrap_or_default())).collect()
}

/// A build step without the values of its build arguments, which stand before the command: `|2 A=b C=d /bin/sh`.
pub(crate) fn without_arguments(step: &str) -> String {
    let Some(rest) = step.strip_prefix('|').or_else(|| step.strip_prefix("RUN |")) else {
        return step.to_owned();
    };
    let command =
        rest.find(" /bin/sh ").and_then(|at| rest.split_at_checked(at)).map_or("", |(_, command)| command);
    format!("[build arguments]{command}")
}
