//! What only the proxy can see, told to the broker for `doorward status`: the engine, and how well this
//! process is closed in.

use crate::engine_link::Upstream;
use crate::visit::Proxy;
use doorward_wire::broker::{HostReport, ToBroker};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How often the engine is looked at.
const PERIOD: Duration = Duration::from_secs(10);
/// How long it may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the broker how things are, at once and then every [`PERIOD`], so that a broker that comes back knows
/// them too.
pub(crate) async fn keep_told(proxy: Arc<Proxy>) {
    loop {
        if let Ok(rules) = proxy.rules() {
            let mut report = HostReport::default();
            report.facts.insert("engine".into(), engine(&rules.policy.engine_socket).await);
            let weaker = proxy.weaker.iter().enumerate();
            report.weaker.extend(weaker.map(|(place, what)| (format!("proxy_{}", place + 1), what.clone())));
            // A broker that is gone is told when it is back.
            let _ = proxy.broker.tell(&ToBroker::Report { report });
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn engine(socket: &str) -> String {
    version(socket).await.unwrap_or_else(|| "does not answer".into())
}

async fn version(socket: &str) -> Option<String> {
    let (status, body) = Upstream::connect(socket).await.ok()?.get("/version", PATIENCE).await.ok()?;
    let said: Value = serde_json::from_slice(&body).ok().filter(|_| status == 200)?;
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    Some(format!("{}, API {} (from {})", text("Version"), text("ApiVersion"), text("MinAPIVersion")))
}
