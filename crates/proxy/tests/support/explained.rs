//! Holds what `explain` says of bytes against what the served proxy says to them.

use super::fake_broker::{FakeBroker, Intent};
use doorward_engine::refusal_body;
use doorward_policy::{Bundle, Policy, Source};
use doorward_proxy::{Explained, Said};
use serde_json::{Value, json};

pub struct Explainer {
    policy: Policy,
    worker: String,
}

impl Explainer {
    pub fn new(policy: &str, worker: &str) -> Explainer {
        let source = Source { path: "/etc/doorward/policy.toml".into(), text: policy.to_owned() };
        Explainer {
            policy: Policy::load(&Bundle { files: vec![source] }).unwrap(),
            worker: worker.to_owned(),
        }
    }

    pub fn explained(&self, bytes: &[u8]) -> Vec<Explained> {
        let explaining = doorward_proxy::explain(&self.policy, &self.worker, bytes, |_| None);
        super::runtime().block_on(explaining)
    }

    /// Explains the bytes, then has them said to the proxy; `say` gives the bodies of its answers. Where the two
    /// differ, if they do: each verdict, its reason, and the whole text of the answer.
    pub fn difference(
        &self,
        broker: &FakeBroker,
        bytes: &[u8],
        say: impl FnOnce(&[Explained]) -> Vec<Vec<u8>>,
    ) -> Option<String> {
        let explained = self.explained(bytes);
        let before = broker.intents().len();
        let answers = say(&explained);
        let (last, rest) = explained.split_last()?;
        let waits = is_unfinished(&last.said);
        let expected = if waits { rest.len() } else { explained.len() };
        // Of a build a record says that its context may come, and the next what it came to.
        let is_half = |record: &Intent| record.operation["op"] == "image build context" && record.allow;
        let halves = broker.intents().iter().skip(before).filter(|record| is_half(record)).count();
        let records = broker.intents_within(before + expected + halves);
        let records: Vec<_> = records.into_iter().skip(before).filter(|record| !is_half(record)).collect();
        let as_many = records.len() == explained.len() || (waits && records.len() == expected);
        if !as_many {
            return Some(format!("explained {explained:#?}\nrecorded {records:#?}"));
        }
        let answers = answers.iter().map(Some).chain(std::iter::repeat(None));
        explained
            .iter()
            .zip(records)
            .zip(answers)
            .find(|((one, record), answer)| !agree(one, record, answer.map(Vec::as_slice)))
            .map(|((one, record), answer)| {
                format!("{one:#?}\n{record:#?}\n{:?}", answer.map(|answer| super::bench::text(answer)))
            })
    }
}

/// Bytes that get no answer of the proxy's own, only the protocol's.
pub fn is_no_request(said: &Said) -> bool {
    matches!(said, Said::Deny(refusal) if refusal.message.contains("no HTTP/1 request"))
}

/// What the proxy would wait to be ended, and rules on only when the worker has no more to say.
fn is_unfinished(said: &Said) -> bool {
    let ends = ["the body ends before its end", "the bytes end before"];
    matches!(said, Said::Deny(refusal) if ends.iter().any(|end| refusal.message.starts_with(end)))
}

fn agree(explained: &Explained, record: &Intent, answer: Option<&[u8]>) -> bool {
    let told = answer.and_then(|answer| serde_json::from_slice::<Value>(answer).ok());
    let tells = |whole: Value| told.as_ref().is_none_or(|told| *told == whole);
    let reason = record.reason.as_deref();
    match &explained.said {
        // Only the running service knows which execs the worker made.
        Said::Absent(_) if explained.unknown.iter().any(|what| what.contains("execs")) => true,
        Said::Allow(rule) => record.allow && record.rule.as_ref() == Some(rule),
        Said::Absent(message) => {
            record.allow && record.rule.is_none() && tells(json!({ "message": message }))
        }
        Said::Foreign(message, refusal) => {
            !record.allow && reason == Some(refusal.reason.code()) && tells(json!({ "message": message }))
        }
        Said::Deny(refusal) => {
            !record.allow && reason == Some(refusal.reason.code()) && tells(refusal_body(refusal))
        }
    }
}
