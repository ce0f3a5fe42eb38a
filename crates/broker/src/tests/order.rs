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

/// Prints where a run's time goes (medians); `cargo test --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement"]
fn the_cost_of_a_run_by_step() {
    if !root() {
        return;
    }
    let house = house();
    const RUNS: usize = 300;
    let middle = |samples: &mut Vec<u64>| {
        samples.sort_unstable();
        samples.get(samples.len() / 2).map_or(0, |nanos| nanos / 1000)
    };
    let mut spent = vec![Vec::new(); 20];
    for _ in 0..RUNS {
        let (steps, end, _) = house.traced(None, &["true"]);
        assert_eq!(end, Ok(End::Exited { code: 0 }));
        for pair in steps.windows(2) {
            spent[usize::from(pair[0].0)].push(pair[1].1 - pair[0].1);
        }
    }
    for (step, number, _) in Step::ALL {
        println!("{step}: {} us", middle(&mut spent[usize::from(number)]));
    }
    let mut parts = [const { Vec::new() }; 5];
    for _ in 0..RUNS {
        let mut times = vec![std::time::Instant::now()];
        let (mut plan, _out, _err) = house.plan(&how(), &["true"]);
        times.push(std::time::Instant::now());
        let child = spawn::spawn(&mut plan).unwrap();
        times.push(std::time::Instant::now());
        supervise::wait(&child, std::time::Duration::from_secs(30), &Cancel::new().unwrap());
        times.push(std::time::Instant::now());
        drop((plan, child));
        times.push(std::time::Instant::now());
        for (part, pair) in parts.iter_mut().zip(times.windows(2)) {
            part.push(u64::try_from((pair[1] - pair[0]).as_nanos()).unwrap());
        }
        parts[4].push(u64::try_from((times[3] - times[0]).as_nanos()).unwrap());
    }
    for (what, part) in
        ["plan", "spawn until exec", "exec to end", "after the end", "plan to end"].iter().zip(&mut parts)
    {
        println!("{what}: {} us", middle(part));
    }
}
