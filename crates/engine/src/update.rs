//! New limits for a container that exists.

use crate::approved::rule;
use crate::fields::{
    ANY, CPU_SHARES, DEVICE, DEVICE_REQUEST, Field, Literal, PATH, RESTART_POLICY, SIZE, THROTTLES, ULIMIT,
    WEIGHTS, WORDS, free, judged, never,
};
use crate::kind::Kind::{Flag, Int, List, Object, Word};
use crate::objects::{self, Standing};
use crate::redact::redacted;
use crate::rules::{self, Mode, Wish};
use crate::touched::Touched;
use crate::{Approved, present, walk};
use doorward_policy::{DockerRole, Reason, Refusal, Verb};
use serde_json::{Map, Value, json};

const MADE_SO: &str = "this is chosen when the container is made: remove it and run it anew";

/// Body of `POST /containers/{id}/update`: `Resources`, 32 fields of schema 1.41 and 1.55, and one.
pub(crate) static UPDATE: &[Field] = &[
    judged("Memory", SIZE, rules::memory),
    judged("MemorySwap", Int(-1, 1 << 50), rules::memory_swap),
    judged("MemoryReservation", SIZE, rules::memory_reservation),
    never("MemorySwappiness", Int(-1, 100), MADE_SO).neutral(&[Literal::Int(-1)]),
    judged("NanoCpus", SIZE, rules::nano_cpus),
    free("CpuShares", CPU_SHARES),
    never("CpuPeriod", ANY, "processor time is limited with --cpus"),
    never("CpuQuota", ANY, "processor time is limited with --cpus"),
    never("CpuRealtimePeriod", ANY, "realtime scheduling is not allowed"),
    never("CpuRealtimeRuntime", ANY, "realtime scheduling is not allowed"),
    free("CpusetCpus", Word(255)),
    free("CpusetMems", Word(255)),
    judged("PidsLimit", Int(-1, 4_194_304), rules::pids),
    free("BlkioWeight", Int(0, 1000)),
    never("BlkioWeightDevice", WEIGHTS, "host devices cannot be named"),
    never("BlkioDeviceReadBps", THROTTLES, "host devices cannot be named"),
    never("BlkioDeviceWriteBps", THROTTLES, "host devices cannot be named"),
    never("BlkioDeviceReadIOps", THROTTLES, "host devices cannot be named"),
    never("BlkioDeviceWriteIOps", THROTTLES, "host devices cannot be named"),
    never("KernelMemory", ANY, "kernel memory limits are obsolete"),
    never("KernelMemoryTCP", ANY, "kernel memory limits are obsolete"),
    never("OomKillDisable", Flag, "the kernel's memory limit must hold"),
    never("Init", Flag, MADE_SO),
    never("Ulimits", List(&Object(ULIMIT), 16), MADE_SO),
    never("CgroupParent", PATH, "the cgroup is the engine's"),
    never("Devices", List(&Object(DEVICE), 32), "a container gets no further devices"),
    never("DeviceCgroupRules", WORDS, "device rules open the host's devices"),
    never("DeviceRequests", List(&Object(DEVICE_REQUEST), 8), "a container gets no further devices"),
    never("CpuCount", ANY, "this is for Windows"),
    never("CpuPercent", ANY, "this is for Windows"),
    never("IOMaximumIOps", ANY, "this is for Windows"),
    never("IOMaximumBandwidth", ANY, "this is for Windows"),
    judged("RestartPolicy", Object(RESTART_POLICY), rules::restart),
];

/// `POST /containers/{id}/update`: the role that the container was made under must allow it as it is afterwards.
/// What is not said, or zero, stays; "no limit" is the cap.
pub(crate) fn judge(touched: &Touched<'_>, approved: Approved) -> Result<Approved, Refusal> {
    if touched.standing != Standing::Own {
        let message = "only own containers may be updated: the limits of others are the operator's";
        return Err(Refusal::new(Reason::ObjectNotAllowed, message));
    }
    let roles = touched.roles().into_iter().filter(|role| may(role));
    let judged = |role| by(role, touched).map(|made| (role, made));
    let (role, (made, binds)) = objects::first_allowing(
        roles,
        "the role that the container was made under does not grant 'update'",
        judged,
    )?;
    let operation = json!({"op": "container update", "on": approved.objects,
        "body": redacted(&made, touched.judged.policy)});
    Ok(Approved { binds, operation, rule: rule(role, Verb::Update), ..approved }.with_body(&made))
}

fn may(role: &DockerRole) -> bool {
    role.verbs.contains(&Verb::Update) && objects::selects(&role.containers, "", Standing::Own)
}

/// What is sent, and which host paths the container binds.
fn by(role: &DockerRole, touched: &Touched<'_>) -> Result<(Value, Vec<String>), Refusal> {
    let body = touched.judged.request.needed_body()?;
    let said = |name: &str, value: &Value| !walk::is_zero(value) || name == "PidsLimit";
    let asked: Map<String, Value> = body
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| said(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let before = present::body(touched.found);
    let wanted = with_limits(&before, &asked);
    let wish = Wish { mode: Mode::New, ..touched.wish(role, &wanted) };
    let Value::Object(mut made) = walk::judge_fields(UPDATE, Some(&asked.clone().into()), &wish, "")? else {
        return Ok((json!({}), Vec::new()));
    };
    // The swap limit goes with the memory's, which the engine would refuse to raise alone.
    made.retain(|name, _| asked.contains_key(name) || (name == "MemorySwap" && asked.contains_key("Memory")));
    let after = with_limits(&before, &made);
    let binds = touched.judge_as(role, &after)?;
    Ok((made.into(), binds))
}

fn with_limits(body: &Value, limits: &Map<String, Value>) -> Value {
    let mut body = body.clone();
    if let Some(host) = body.get_mut("HostConfig").and_then(Value::as_object_mut) {
        host.extend(limits.clone());
    }
    body
}
