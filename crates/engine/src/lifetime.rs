//! How long own containers may run: a role's `lifetime`, counted from when the container was made.

use crate::objects::{self, Standing, labels, plain_name};
use crate::rules::ROLE;
use crate::{ApiVersion, Approved, Facts};
use doorward_policy::{Policy, Reason, Refusal, Verb};
use serde_json::{Value, json};

/// The states that a container can be stopped in.
const UP: [&str; 3] = ["running", "paused", "restarting"];

/// Whether any container of the worker's may come to its end.
pub fn has_lifetime(policy: &Policy, worker: &str) -> bool {
    objects::roles(policy, worker).any(|role| role.run.lifetime.is_some())
}

/// What is to be sent, and recorded, to stop those of a worker's own containers whose time is over. `own` is
/// what [`crate::Lookup::OwnContainers`] answers; `now` is a Unix time in seconds. Before it is stopped, a
/// container loses its restart policy, or the engine would start it again.
pub fn overdue(own: &Value, now: i64, version: ApiVersion, policy: &Policy, worker: &str) -> Vec<Approved> {
    let list = own.as_array().into_iter().flatten();
    list.filter_map(|entry| {
        let labels = entry.get("Labels");
        let (role, lifetime) = lifetime(labels, policy, worker)?;
        let made = entry.get("Created").and_then(Value::as_i64)?;
        let up = entry.get("State").and_then(Value::as_str).is_some_and(|state| UP.contains(&state));
        let own = Standing::of_listed(entry, worker) == Standing::Own;
        let id = entry.get("Id").and_then(Value::as_str).filter(|id| objects::is_full_id(id))?;
        (up && own && over(made, lifetime, now)).then(|| end(id, role, version))
    })
    .collect()
}

/// Refuses what would start a container whose time is over.
pub(crate) fn check(found: &Value, facts: &Facts, policy: &Policy, worker: &str) -> Result<(), Refusal> {
    let Some((_, lifetime)) = lifetime(labels(found), policy, worker) else { return Ok(()) };
    let made = found.get("Created").and_then(Value::as_str).and_then(unix_time);
    let (Some(made), Some(now)) = (made, facts.now) else {
        return Err(Refusal::new(Reason::EngineUnavailable, "it is not known how old the container is"));
    };
    match over(made, lifetime, now) {
        false => Ok(()),
        true => Err(Refusal::new(
            Reason::QuotaReached,
            format!("the lifetime of '{}', {lifetime} s since it was made, is over", plain_name(found)),
        )
        .nearest("docker rm it and docker run it anew")),
    }
}

/// The role whose lifetime counts for a container, and that in seconds; `None` when there is no end. A container
/// of a role that the worker no longer has lives as long as the shortest of its roles says.
fn lifetime<'p>(labels: Option<&Value>, policy: &'p Policy, worker: &str) -> Option<(&'p str, u64)> {
    let by = labels.and_then(|labels| labels.get(ROLE)).and_then(Value::as_str);
    let each = || objects::roles(policy, worker).filter(|role| role.makes_containers());
    match each().find(|role| Some(role.role.as_str()) == by) {
        Some(role) => role.run.lifetime.map(|lifetime| (role.role.as_str(), lifetime)),
        None => {
            each().filter_map(|role| Some((role.role.as_str(), role.run.lifetime?))).min_by_key(|(_, s)| *s)
        }
    }
}

fn over(made: i64, lifetime: u64, now: i64) -> bool {
    now.saturating_sub(made) >= i64::try_from(lifetime).unwrap_or(i64::MAX)
}

fn end(id: &str, role: &str, version: ApiVersion) -> Approved {
    let post = |path: &str, op: &str| {
        let operation = json!({"op": op, "on": id, "why": "its lifetime is over"});
        let target = format!("/v{version}/containers/{id}/{path}");
        Approved::unasked(format!("{role}.docker.run.lifetime"), Verb::Stop, target, operation, id)
    };
    let policy = json!({"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}});
    let update = post("update", "container update").with_body(&policy);
    Approved { beforehand: vec![update], ..post("stop?t=10", "container stop") }
}

/// Seconds since 1970 of a time as the engine writes it: `2026-11-24T01:15:14.12Z`.
fn unix_time(text: &str) -> Option<i64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, length: usize| {
        let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let mut day = day.split('-');
    let (year, month, day, None) = (day.next()?, day.next()?, day.next()?, day.next()) else { return None };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let mut time = time.split_once('.').map_or(time, |(whole, _)| whole).split(':');
    let (hour, minute, second, None) = (time.next()?, time.next()?, time.next()?, time.next()) else {
        return None;
    };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years begin in March, so that a leap day is the last of one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_times_are_read() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59.999999999Z", Some(951_868_799)),
            ("2026-11-24T01:15:14.121193181Z", Some(1_795_482_914)),
            ("2026-11-24T01:15:14+01:00", None),
            ("2026-13-01T00:00:00Z", None),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800)),
            ("", None),
        ] {
            assert_eq!(unix_time(text), want, "{text}");
        }
    }
}
