//! One service in this process: drop what is not needed, then serve.

use crate::args::{BrokerOptions, Folders, ServiceOptions};
use crate::exit;
use doorward_broker::{Config, Identities, accounts, identity};
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the broker to its end.
pub(crate) fn broker(folders: &Folders, options: &BrokerOptions) -> u8 {
    if options.with_parent {
        end_with_parent();
    }
    let identities = match identities(options) {
        Ok(identities) => identities,
        Err(message) => return fail("broker", message),
    };
    let config = Config {
        policy: folders.policy.clone(),
        state_dir: folders.state_dir.clone(),
        runtime_dir: folders.runtime_dir.clone(),
        identities,
        allow_weaker: options.allow_weaker,
    };
    match doorward_broker::run(config) {
        Ok(()) => 0,
        Err(error) => fail("broker", error),
    }
}

/// The accounts of gateway and proxy: as told, or by their names.
fn identities(options: &BrokerOptions) -> Result<Identities, String> {
    let own = rustix::process::geteuid();
    if !own.is_root() {
        let own = (own.as_raw(), rustix::process::getegid().as_raw());
        return Ok(Identities { gateway: own, proxy: own, rootless: true });
    }
    let named = |given: Option<(u32, u32)>, name: &str| {
        given.or_else(|| accounts::ids_of(name)).ok_or(format!(
            "there is no account `{name}`: make it with useradd, or use `doorward serve`, which does without"
        ))
    };
    Ok(Identities {
        gateway: named(options.gateway, accounts::GATEWAY)?,
        proxy: named(options.proxy, accounts::PROXY)?,
        rootless: false,
    })
}

/// Runs the gateway to its end.
pub(crate) fn gateway(folders: &Folders, options: &ServiceOptions) -> u8 {
    let config = doorward_gateway::Config {
        broker_sock: folders.runtime_dir.join("broker.sock"),
        state_dir: folders.state_dir.clone(),
    };
    service("gateway", options, || doorward_gateway::serve(config))
}

/// Runs the proxy to its end.
pub(crate) fn proxy(folders: &Folders, options: &ServiceOptions) -> u8 {
    let config = doorward_proxy::Config {
        broker: folders.runtime_dir.join("broker.sock"),
        sealed: true,
        timings: doorward_proxy::Timings::default(),
    };
    service("proxy", options, || async {
        let stop = end_signal().map_err(|error| format!("signals: {error}"))?;
        doorward_proxy::serve_until(config, stop).await.map_err(|error| error.to_string())
    })
}

/// TERM or INT: ends a service that has something to do before its end.
fn end_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

fn service<F, E>(name: &str, options: &ServiceOptions, serve: impl FnOnce() -> F) -> u8
where
    F: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    if let Some((uid, gid)) = options.run_as
        && let Err(error) = identity::become_user(uid, gid, &[])
    {
        return fail(name, format!("cannot drop to uid {uid}: {error}"));
    }
    if options.with_parent {
        end_with_parent();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(name, error),
    };
    match runtime.block_on(serve()) {
        Ok(()) => 0,
        Err(error) => fail(name, error),
    }
}

/// A change of uid clears this, so it comes after.
fn end_with_parent() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
}

fn fail(name: &str, message: impl std::fmt::Display) -> u8 {
    exit::fail(format!("{name}: {message}"))
}
