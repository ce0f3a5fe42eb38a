//! Networks and ports.

use super::{Made, Mode, Wish, flag, list, listed, not_allowed, text};
use crate::objects::{self, Bearer, Standing};
use crate::{ApiVersion, Lookup, fields, walk};
use doorward_policy::{Reason, Refusal};
use serde_json::{Map, Value, json};

/// `NetworkMode`: what was not said is no network, or with egress the default bridge. Networks go on by id.
pub(crate) fn network_mode(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let mode = text(given);
    let egress = wish.role.egress;
    match mode {
        "" | "default" if wish.mode == Mode::New => Ok(Some(json!(if egress { "bridge" } else { "none" }))),
        "none" => Ok(Some(json!("none"))),
        "host" => Err(not_allowed("the host's network cannot be shared").nearest(networks(wish))),
        _ if mode.starts_with("container:") || mode.starts_with("ns:") => {
            Err(not_allowed("another container's network cannot be shared").nearest(networks(wish)))
        }
        _ if wish.mode == Mode::Operator => Ok(None),
        "bridge" | "default" if egress => Ok(Some(json!(mode))),
        "bridge" | "default" => {
            Err(not_allowed("the default bridge leads out, and the role has no egress")
                .nearest(networks(wish)))
        }
        name => usable_network(wish, name).map(|id| Some(json!(id))),
    }
}

fn networks(wish: &Wish<'_>) -> String {
    let egress = if wish.role.egress { ", --network bridge" } else { "" };
    format!("--network none{egress}, or a network of your own")
}

/// `EndpointsConfig`: only networks that the worker may use, by id, each once.
pub(crate) fn endpoints(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    const SEVERAL: ApiVersion = ApiVersion { major: 1, minor: 44 };
    let mode = network_mode(wish, wish.host("NetworkMode"))?;
    let mode = text(mode.as_ref());
    let mut made = Map::new();
    for (name, endpoint) in given.and_then(Value::as_object).into_iter().flatten() {
        let path = format!("NetworkingConfig.EndpointsConfig.{}", crate::query::shown(name));
        let parts = walk::judge_fields(fields::ENDPOINT, Some(endpoint), wish, &path)?;
        let same_as_mode = match name.as_str() {
            "default" | "bridge" => mode == "bridge" || (name == "default" && mode == "none"),
            "none" => mode == "none",
            _ => false,
        };
        if same_as_mode {
            if !walk::is_zero(&parts) {
                return Err(not_allowed("this network takes no settings")
                    .path(path)
                    .nearest("a network of your own"));
            }
            continue;
        }
        if ["default", "bridge", "none", "host"].contains(&name.as_str()) {
            return Err(not_allowed("this network cannot be joined").path(path).nearest(networks(wish)));
        }
        let (id, endpoint) = joined(wish, name, Some(&parts)).map_err(|refusal| refusal.path(&path))?;
        if made.insert(id, endpoint).is_some() {
            return Err(not_allowed("a network is named twice").path(path));
        }
    }
    if made.len() > 1 && wish.version < SEVERAL {
        return Err(not_allowed("before API 1.44 a container is created in one network"));
    }
    if !made.is_empty() && !made.contains_key(mode) {
        return Err(not_allowed("the networks do not include the container's own").nearest("--network NAME"));
    }
    Ok((!made.is_empty()).then(|| made.into()))
}

/// A container's place in a network that the worker may use, and that network's id.
pub(crate) fn joined(wish: &Wish<'_>, name: &str, parts: Option<&Value>) -> Result<(String, Value), Refusal> {
    let id = usable_network(wish, name)?;
    let parts = parts.unwrap_or(&Value::Null);
    let given = text(parts.get("NetworkID"));
    if !given.is_empty() && given != id {
        return Err(not_allowed("the network's id is another network's"));
    }
    let aliases = list(parts.get("Aliases"));
    if !aliases.iter().all(|alias| objects::is_name(text(Some(alias)))) {
        return Err(not_allowed("an alias is letters, digits, '_', '.' and '-'"));
    }
    let mut made = Map::new();
    if !aliases.is_empty() {
        made.insert("Aliases".into(), json!(aliases));
    }
    Ok((id, made.into()))
}

/// Judges the names by which a new container would be found in the networks that its body wants.
pub(crate) fn names_in_networks(wish: &Wish<'_>, bearer: &Bearer<'_>) -> Result<(), Refusal> {
    let endpoints = wish.body.get("NetworkingConfig").and_then(|config| config.get("EndpointsConfig"));
    for network in named_networks(wish.body) {
        names_in(wish, &network, endpoints.and_then(|endpoints| endpoints.get(&network)), bearer)?;
    }
    Ok(())
}

/// In a network of the worker's own a container has what names it likes. Other containers of an operator's
/// network look each other up by name, and would take a worker's container for one of theirs.
pub(crate) fn names_in(
    wish: &Wish<'_>,
    network: &str,
    endpoint: Option<&Value>,
    bearer: &Bearer<'_>,
) -> Result<(), Refusal> {
    if is_own(wish, network) {
        return Ok(());
    }
    let aliases = list(endpoint.and_then(|endpoint| endpoint.get("Aliases"))).iter();
    let mut names = aliases.map(|alias| text(Some(alias))).chain([bearer.hostname]);
    if names.any(|name| !name.is_empty() && name != bearer.name) {
        let message = "in a network that is not your own, a container goes by its own name alone";
        return Err(not_allowed(message).nearest("no --network-alias and no --hostname"));
    }
    let marked = bearer.name.strip_prefix(wish.worker).is_some_and(|rest| rest.starts_with('-'));
    if bearer.name.is_empty() || marked {
        return Ok(());
    }
    let message = "in a network that is not your own, a container's name begins with yours";
    Err(not_allowed(message).nearest(format!("--name {}-1", wish.worker)))
}

fn is_own(wish: &Wish<'_>, name: &str) -> bool {
    let found = wish.facts.about(&Lookup::Network(name.to_owned()));
    found.is_some_and(|found| Standing::of(found.get("Labels"), wish.worker) == Standing::Own)
}

/// The id of a network that the worker may use.
pub(crate) fn usable_network(wish: &Wish<'_>, name: &str) -> Result<String, Refusal> {
    let refuse = || {
        Refusal::new(Reason::ObjectNotAllowed, "there is no network of this name that this worker may use")
            .nearest(networks(wish))
    };
    let found = wish.facts.about(&Lookup::Network(name.to_owned()));
    let network = found.ok_or_else(refuse)?;
    let standing = Standing::of(network.get("Labels"), wish.worker);
    let driver = text(network.get("Driver"));
    let own_name = text(network.get("Name"));
    let special = ["bridge", "host", "none"].contains(&own_name) || ["host", "null", ""].contains(&driver);
    let id = text(network.get("Id"));
    let usable =
        objects::selects(&wish.role.networks, own_name, standing) && !special && objects::is_full_id(id);
    let leads_out = !flag(network.get("Internal"));
    match usable {
        true if standing == Standing::Own && leads_out && !wish.role.egress => {
            Err(not_allowed("this network leads out, and the role has no egress").nearest(networks(wish)))
        }
        true => Ok(id.to_owned()),
        false => Err(refuse()),
    }
}

/// Names of the networks that a body wants.
pub(crate) fn named_networks(body: &Value) -> Vec<String> {
    const SPECIAL: [&str; 5] = ["", "default", "bridge", "none", "host"];
    let mode = text(body.get("HostConfig").and_then(|host| host.get("NetworkMode")));
    let endpoints = body.get("NetworkingConfig").and_then(|networking| networking.get("EndpointsConfig"));
    let endpoints = endpoints.and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str);
    let named = std::iter::once(mode).chain(endpoints);
    named.filter(|name| !SPECIAL.contains(name) && objects::is_name(name)).map(str::to_owned).collect()
}

/// The networks that a container is in, by id where the engine told it; the engine's own have no names in them.
pub(crate) fn present_networks(inspect: &Value) -> Vec<String> {
    let networks = inspect.get("NetworkSettings").and_then(|settings| settings.get("Networks"));
    let networks = networks.and_then(Value::as_object).into_iter().flatten();
    let networks =
        networks.filter(|(name, _)| !["bridge", "none", "host", "default"].contains(&name.as_str()));
    let id = |(name, endpoint): (&String, &Value)| match text(endpoint.get("NetworkID")) {
        id if objects::is_full_id(id) => id.to_owned(),
        _ => name.clone(),
    };
    networks.map(id).collect()
}

/// `PortBindings`: an explicit loopback address and one port, both in the role's `ports`.
pub(crate) fn ports(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let mut made = Map::new();
    for (port, bindings) in given.and_then(Value::as_object).into_iter().flatten() {
        let port = container_port(port)?;
        let mut own = Vec::new();
        for binding in list(Some(bindings)) {
            own.push(one_port(wish, text(binding.get("HostIp")), text(binding.get("HostPort")))?);
        }
        if !own.is_empty() && made.insert(port, own.into()).is_some() {
            return Err(not_allowed("a port is published twice"));
        }
    }
    Ok((!made.is_empty()).then(|| made.into()))
}

fn one_port(wish: &Wish<'_>, address: &str, port: &str) -> Result<Value, Refusal> {
    let refuse = |why: &str| {
        let allowed = wish.role.run.ports.iter().map(|range| match range.first == range.last {
            true => format!("-p {}:{}:PORT", range.address, range.first),
            false => format!("-p {}:{}-{}:PORT, one port of them", range.address, range.first, range.last),
        });
        Err(not_allowed(why).nearest(listed(allowed, "no -p")))
    };
    let Ok(ip) = address.parse::<std::net::IpAddr>() else {
        return refuse("-p must name a loopback address: -p 127.0.0.1:HOST:CONTAINER");
    };
    let Some(number) = port_number(port) else {
        return refuse("-p must name one host port: -p 127.0.0.1:HOST:CONTAINER");
    };
    let named = |range: &&doorward_policy::PortRange| {
        range.address == ip && (range.first..=range.last).contains(&number)
    };
    match ip.is_loopback() && wish.role.run.ports.iter().any(|range| named(&range)) {
        true => Ok(json!({"HostIp": ip.to_string(), "HostPort": number.to_string()})),
        false => refuse("this address and port are not in the role's ports"),
    }
}

fn port_number(text: &str) -> Option<u16> {
    text.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == text)
}

/// `80/tcp`, or `80` which means it.
fn container_port(text: &str) -> Result<String, Refusal> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match port_number(number) {
        Some(number) if ["tcp", "udp", "sctp"].contains(&protocol) => Ok(format!("{number}/{protocol}")),
        _ => Err(not_allowed("a container's port is written 80/tcp or 53/udp")),
    }
}

/// `ExposedPorts`: no effect by themselves.
pub(crate) fn exposed_ports(_: &Wish<'_>, given: Option<&Value>) -> Made {
    let mut made = Map::new();
    for port in given.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        made.insert(container_port(port)?, json!({}));
    }
    Ok((!made.is_empty()).then(|| made.into()))
}

/// `Name` of a new network.
pub(crate) fn network_name(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    const SPECIAL: [&str; 6] = ["bridge", "default", "host", "none", "ingress", "docker_gwbridge"];
    let name = text(given);
    if SPECIAL.contains(&name) {
        return Err(Refusal::new(Reason::NameNotAllowed, "this name is the engine's")
            .nearest(format!("a name like {}-1", wish.worker)));
    }
    super::free_name(wish, name, super::NameOf::Network)?;
    Ok(Some(json!(name)))
}

/// `Driver` of a new network: `bridge`.
pub(crate) fn network_driver(_: &Wish<'_>, given: Option<&Value>) -> Made {
    match text(given) {
        "" | "bridge" | "default" => Ok(Some(json!("bridge"))),
        _ => Err(not_allowed("only bridge networks are allowed").nearest("--driver bridge")),
    }
}

/// `Internal`: always, unless the role has egress.
pub(crate) fn internal(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    Ok(Some(json!(flag(given) || !wish.role.egress)))
}

/// The option by which a bridge network gets no address of the host's.
pub(crate) const NO_ADDRESS: &str = "com.docker.network.bridge.inhibit_ipv4";

/// `Options` of a new network: none of a worker's. An internal network gets no address of the host's, by which
/// its containers would reach whatever the host listens on at all addresses.
pub(crate) fn network_options(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    if given.is_some_and(|given| !walk::is_zero(given)) {
        return Err(not_allowed("network driver options are not allowed"));
    }
    let is_internal = flag(wish.body.get("Internal")) || !wish.role.egress;
    Ok(is_internal.then(|| json!({NO_ADDRESS: "true"})))
}

/// `EnableIPv4`: on.
pub(crate) fn ipv4(_: &Wish<'_>, given: Option<&Value>) -> Made {
    match given {
        Some(given) if !flag(Some(given)) => Err(not_allowed("networks have IPv4")),
        _ => Ok(None),
    }
}

/// Not sent on: engines do not read it.
pub(crate) fn unread(_: &Wish<'_>, _: Option<&Value>) -> Made {
    Ok(None)
}

/// Sent as true whatever came.
pub(crate) fn always_true(_: &Wish<'_>, _: Option<&Value>) -> Made {
    Ok(Some(json!(true)))
}
