//! Plays the cases of a class, each through the proxy and against the bare engine.

use crate::faults::{Plain, faults};
use crate::picture::Picture;
use crate::support::ServedProxy;
use crate::support::explained::Explainer;
use crate::support::fake_broker::FakeBroker;
use doorward_attacks::{Bare, Case, ENGINE, Message, Reply, Scene, Stage, Told, attacks, policy, talk};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the other side may be silent before an answer counts as whole; raw bytes may leave it waiting for more.
const SILENCE: Duration = Duration::from_secs(20);
const RAW_SILENCE: Duration = Duration::from_millis(800);

/// One class of the corpus, in front of the real engine and with the proxy between.
pub fn play(class: &str) {
    let only = std::env::var("ONLY").unwrap_or_default();
    let files = attacks().unwrap();
    let (_, cases) = files.into_iter().find(|(name, _)| name == class).unwrap();
    let mut by_policy: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases.into_iter().filter(|case| case.id.starts_with(&only)) {
        by_policy.entry(case.policy.clone()).or_default().push(case);
    }
    let begun = Instant::now();
    let mut stage = Stage::raise().unwrap();
    let plain = Plain::of(&stage);
    let mut tally = Tally::default();
    for (name, cases) in &by_policy {
        let served = Served::start(&stage, &policy(name).unwrap());
        for case in cases {
            proxied(case, &served, &mut stage, &plain, &mut tally);
        }
        drop(served);
    }
    for case in by_policy.values().flatten() {
        bare(case, &mut stage, &plain, &mut tally);
    }
    println!(
        "{class}: {} cases, 0 may succeed through the proxy and {} did; against the bare engine {} bite, {} are \
         harmless, {} are not played; {:.1} s",
        tally.cases,
        tally.succeeded,
        tally.bite,
        tally.harmless,
        tally.skipped,
        begun.elapsed().as_secs_f32()
    );
    assert!(tally.wrong.is_empty(), "{} wrong:\n{}", tally.wrong.len(), tally.wrong.join("\n"));
}

#[derive(Default)]
struct Tally {
    /// Performances, through the proxy and against the bare engine: each has names of its own.
    played: usize,
    cases: usize,
    succeeded: usize,
    bite: usize,
    harmless: usize,
    skipped: usize,
    wrong: Vec<String>,
}

/// A proxy that serves the stage's worker.
pub struct Served {
    broker: FakeBroker,
    explainer: Explainer,
    worker: String,
    _proxy: ServedProxy,
}

impl Served {
    pub fn start(stage: &Stage, policy: &str) -> Served {
        let policy = stage.scene.text(policy).unwrap();
        let worker = stage.scene.get("worker").unwrap().to_owned();
        let broker = FakeBroker::start(&policy, &[&worker, stage.scene.get("other").unwrap()]);
        let proxy = ServedProxy::start(&broker.path());
        let explainer = Explainer::new(&policy, &worker);
        Served { worker, _proxy: proxy, explainer, broker }
    }

    pub fn socket(&self) -> PathBuf {
        self.broker.worker_socket(&self.worker)
    }

    /// Has the bytes explained and then says them; the answers, and where they are not what was explained.
    fn talk(&self, bytes: &[u8], silence: Duration) -> (Vec<Reply>, Option<String>) {
        let mut replies = Vec::new();
        let difference = self.explainer.difference(&self.broker, bytes, |_| {
            replies = talk(&self.socket(), bytes, silence).unwrap();
            replies.iter().map(|reply| reply.body.clone()).collect()
        });
        (replies, difference)
    }
}

fn proxied(case: &Case, served: &Served, stage: &mut Stage, plain: &Plain, tally: &mut Tally) {
    tally.cases += 1;
    let Performed { untouched, before, sent } = perform(case, Some(served), stage, tally);
    let after = Picture::take(stage);
    let replies: Vec<Reply> = sent.iter().flatten().cloned().collect();
    let mut found = faults(&before, &after, plain, stage, &replies, true);
    found.extend(said(case, stage, &replies));
    if !found.is_empty() {
        tally.succeeded += 1;
        tally.wrong.push(format!("{}: succeeds through the proxy: {}", case.id, found.join("; ")));
    }
    for (step, replies) in case.steps.iter().zip(&sent) {
        if let Some(wrong) = step.told.as_ref().and_then(|told| untold(told, replies)) {
            tally.wrong.push(format!("{}: {wrong}", case.id));
        }
    }
    untouched.clear_up(&after, stage);
}

fn bare(case: &Case, stage: &mut Stage, plain: &Plain, tally: &mut Tally) {
    if matches!(case.bare, Bare::Skipped(_)) {
        tally.skipped += 1;
        return;
    }
    let Performed { untouched, before, sent } = perform(case, None, stage, tally);
    let replies: Vec<Reply> = sent.into_iter().flatten().collect();
    let mut after = Picture::take(stage);
    let mut found = faults(&before, &after, plain, stage, &replies, false);
    found.extend(said(case, stage, &replies));
    // A busy engine may do later what nobody waits for any more: a request behind another, say.
    for _ in 0..20 {
        if !found.is_empty() || !matches!(case.bare, Bare::Bites) {
            break;
        }
        std::thread::sleep(RAW_SILENCE);
        after = Picture::take(stage);
        found = faults(&before, &after, plain, stage, &replies, false);
    }
    match &case.bare {
        _ if !found.is_empty() => tally.bite += 1,
        Bare::Bites => {
            let told: Vec<_> =
                replies.iter().map(|reply| (reply.status, String::from_utf8_lossy(&reply.body))).collect();
            let told = format!("{told:?}").chars().take(300).collect::<String>();
            tally.wrong.push(format!("{}: should bite the bare engine, and does not: {told}", case.id));
        }
        _ => tally.harmless += 1,
    }
    if let (Bare::Harmless(why), false) = (&case.bare, found.is_empty()) {
        tally.wrong.push(format!("{}: bites, although {why}: {}", case.id, found.join("; ")));
    }
    untouched.clear_up(&after, stage);
}

/// Sets up and sends every step, to the proxy or to the bare engine.
fn perform(case: &Case, served: Option<&Served>, stage: &Stage, tally: &mut Tally) -> Performed {
    let untouched = Picture::take(stage);
    let mut scene = stage.scene.clone();
    tally.played += 1;
    scene.set("fresh", format!("{}-new-{}", stage.tag, tally.played));
    for object in &case.setup {
        if let Err(error) = stage.set_up(object) {
            tally.wrong.push(format!("{}: {error}", case.id));
        }
    }
    // What the setup made is removed afterwards like what the attack made, but is not held against it.
    let before = Picture::take(stage);
    let mut sent = Vec::new();
    for (n, step) in case.steps.iter().enumerate() {
        let bytes = case.bytes(n, &scene).unwrap().unwrap();
        let closes = match &step.message {
            Message::Http(http) => !http.headers.iter().any(|(name, _)| name == "Connection"),
            _ => false,
        };
        let silence = if closes { SILENCE } else { RAW_SILENCE };
        let begun = Instant::now();
        let (replies, difference) = match served {
            Some(served) => served.talk(&bytes, silence),
            None => (talk(Path::new(ENGINE), &bytes, silence).unwrap(), None),
        };
        if begun.elapsed() > RAW_SILENCE * 3 {
            println!("{} step {n} took {:.1} s", case.id, begun.elapsed().as_secs_f32());
        }
        if let Some(difference) = difference {
            tally.wrong.push(format!("{}: explained otherwise: {difference}", case.id));
        }
        keep(&mut scene, step, &replies);
        sent.push(replies);
    }
    Performed { untouched, before, sent }
}

/// A case that was played: what there was before its setup and after it, and the answers to each step.
struct Performed {
    untouched: Picture,
    before: Picture,
    sent: Vec<Vec<Reply>>,
}

/// What answers hold that the case forbids.
fn said(case: &Case, stage: &Stage, replies: &[Reply]) -> Vec<String> {
    let never = case.never.iter().map(|text| stage.scene.text(text).unwrap());
    let told: Vec<_> = replies.iter().map(|reply| String::from_utf8_lossy(&reply.body)).collect();
    never
        .filter(|text| told.iter().any(|told| told.contains(text.as_str())))
        .map(|text| format!("an answer holds {text}"))
        .collect()
}

/// Takes words from an answer; what it does not have is an id that nothing has.
pub fn keep(scene: &mut Scene, step: &doorward_attacks::Step, replies: &[Reply]) {
    for (word, pointer) in &step.keep {
        let json = replies.first().map(Reply::json).unwrap_or_default();
        let value = json.pointer(pointer).and_then(|value| value.as_str()).map(str::to_owned);
        scene.set(word, value.unwrap_or_else(|| "0".repeat(64)));
    }
}

/// What is wrong with the answers, where something is.
fn untold(told: &Told, replies: &[Reply]) -> Option<String> {
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    let refusals: Vec<_> = replies.iter().filter_map(Reply::refusal).collect();
    let fine = match told {
        Told::Status(status) => statuses.contains(status),
        Told::Allowed => refusals.is_empty() && statuses.iter().any(|status| *status < 400),
        Told::Denied => {
            let turned_away = statuses.iter().all(|status| (400..600).contains(status));
            turned_away
                && (!refusals.is_empty() || statuses.iter().all(|status| [400, 404, 413].contains(status)))
        }
        Told::Refused { reason, path } => refusals.iter().any(|(said, at)| {
            said == reason && path.as_ref().is_none_or(|path| at.starts_with(path.as_str()))
        }),
    };
    let bodies: Vec<_> = replies.iter().map(|reply| String::from_utf8_lossy(&reply.body)).collect();
    let said: String = format!("{statuses:?} {refusals:?} {bodies:?}").chars().take(400).collect();
    (!fine).then(|| format!("{told:?} was expected, and this was told: {said}"))
}
