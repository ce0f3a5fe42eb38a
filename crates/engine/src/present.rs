//! A container's present configuration, judged again before it starts.

use crate::fields::{CREATE, HOST_CONFIG};
use crate::rules::{Mode, Wish, host_paths, present_networks, usable_network};
use crate::walk;
use doorward_policy::{Reason, Refusal};
use serde_json::{Map, Value, json};

/// What a create body would have been, from `GET /containers/{id}/json`.
pub(crate) fn body(inspect: &Value) -> Value {
    let mut body = inspect.get("Config").and_then(Value::as_object).cloned().unwrap_or_default();
    body.insert("HostConfig".into(), inspect.get("HostConfig").cloned().unwrap_or_else(|| json!({})));
    body.into()
}

/// Whether the container may start as it is; says which host paths it binds.
pub(crate) fn judge(wish: &Wish<'_>, inspect: &Value) -> Result<Vec<String>, Refusal> {
    if let Some(name) = unknown_setting(inspect.get("HostConfig")) {
        let message =
            format!("the container has a setting that is not known here: {}", crate::query::shown(&name));
        return Err(Refusal::new(Reason::UnknownField, message).path(format!("HostConfig.{name}")));
    }
    walk::judge_fields(CREATE, Some(wish.body), wish, "")?;
    if wish.mode == Mode::Own {
        for network in present_networks(inspect) {
            usable_network(wish, &network).map_err(|refusal| refusal.path("NetworkSettings.Networks"))?;
        }
    }
    mounts_known(inspect, &host_paths(wish.body))?;
    Ok(host_paths(wish.body))
}

/// The mode in which a container of this standing is judged.
pub(crate) fn mode(standing: crate::objects::Standing) -> Mode {
    match standing {
        crate::objects::Standing::Own => Mode::Own,
        _ => Mode::Operator,
    }
}

/// The first key of a `HostConfig` that no table knows and that says something.
pub(crate) fn unknown_setting(host: Option<&Value>) -> Option<String> {
    let keys = host.and_then(Value::as_object).into_iter().flatten();
    keys.filter(|(name, value)| {
        !walk::is_zero(value) && !HOST_CONFIG.iter().any(|field| field.name == **name)
    })
    .map(|(name, _)| name.clone())
    .next()
}

/// Whether what is really mounted is what the configuration says: binds of these host paths, volumes of the
/// local driver, tmpfs.
pub(crate) fn mounts_known(inspect: &Value, binds: &[String]) -> Result<(), Refusal> {
    let text = |mount: &Map<String, Value>, name: &str| {
        mount.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for mount in
        inspect.get("Mounts").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
    {
        let known = match text(mount, "Type").as_str() {
            "bind" => binds.contains(&text(mount, "Source")),
            "volume" => text(mount, "Driver") == "local",
            "tmpfs" => true,
            _ => false,
        };
        if !known {
            let message = "the container has a mount that was not approved";
            return Err(Refusal::new(Reason::FieldNotAllowed, message).path("Mounts"));
        }
    }
    Ok(())
}
