//! The steps come in the design's order, and each failure stops before exec.

use super::support::{house, how, root};
use crate::spawn;
use crate::step::Step;
use crate::supervise::{self, Cancel};
use doorward_wire::broker::End;

#[test]
fn the_steps_from_the_error_pipe_to_exec_come_in_order() {
    if !root() {
        return;
    }
    let (steps, end, text) = house().traced(None, &["echo", "ran"]);
    let numbers: Vec<u8> = steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(numbers, (3..=18).collect::<Vec<u8>>());
    assert_eq!((end, text.as_str()), (Ok(End::Exited { code: 0 }), "ran\n"));
}

#[test]
fn each_steps_failure_stops_before_exec_and_is_reported() {
    if !root() {
        return;
    }
    let house = house();
    for (step, number, _) in Step::ALL.into_iter().skip(2) {
        let (steps, end, text) = house.traced(Some(step), &["echo", "ran"]);
        let error = end.expect_err("the injected failure did not stop it");
        assert_eq!((error.step, error.error), (step, libc::ENOTRECOVERABLE), "{step}");
        assert_eq!(steps.last().map(|(last, _)| *last), Some(number), "nothing comes after {step}");
        assert_eq!(text, "", "{step}: the program ran");
    }
}

/// Prints where a run's time goes; `cargo test --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement"]
fn the_cost_of_a_run_by_step() {
    if !root() {
        return;
    }
    let house = house();
    const RUNS: usize = 200;
    let mut spent = [0_u64; 20];
    let mut whole = Vec::new();
    for _ in 0..RUNS {
        let began = std::time::Instant::now();
        let (steps, end, _) = house.traced(None, &["true"]);
        whole.push(began.elapsed());
        assert_eq!(end, Ok(End::Exited { code: 0 }));
        for pair in steps.windows(2) {
            spent[usize::from(pair[0].0)] += pair[1].1 - pair[0].1;
        }
    }
    for (step, number, _) in Step::ALL {
        println!("{step}: {} us", spent[usize::from(number)] / 200_000);
    }
    whole.sort();
    let mut parts = [std::time::Duration::ZERO; 3];
    for _ in 0..RUNS {
        let began = std::time::Instant::now();
        let (mut plan, _out, _err) = house.plan(&how(), &["true"]);
        let planned = began.elapsed();
        let child = spawn::spawn(&mut plan).unwrap();
        let started = began.elapsed();
        supervise::wait(&child, std::time::Duration::from_secs(30), &Cancel::new().unwrap());
        for (part, spent) in parts.iter_mut().zip([planned, started - planned, began.elapsed() - started]) {
            *part += spent;
        }
    }
    let [plan, spawn, wait] = parts.map(|part| part / 200);
    println!("plan {plan:?}, spawn until exec {spawn:?}, exec to reaped {wait:?}");
    println!(
        "whole run of `true`, plan to reaped: p50 {:?} p99 {:?}",
        whole[RUNS / 2],
        whole[RUNS * 99 / 100]
    );
}
