//! Two hundred requests at once from one worker.

use crate::house::{House, Plan};
use crate::said::Said;

#[test]
fn two_hundred_requests_at_once_keep_the_limits_and_lose_no_record() {
    let more = "[worker.WORKER.limits]\nlines = { concurrent = 8, per_minute = 10000, seconds = 60, output = \"1MiB\" }\n";
    let house = House::new(Plan { more: more.to_owned(), ..Plan::default() });
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let mut command = house.ssh_command(&["cat /proc/net/tcp"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let other = house.ssh("whoami").worked();
    assert!(other.stdout.contains(&house.worker));
    let answers: Vec<Said> =
        clients.into_iter().map(|client| Said::from(client.wait_with_output().unwrap())).collect();
    let served = answers.iter().filter(|said| said.code == 0).count();
    let limited = answers.iter().filter(|said| said.stderr.contains("refused (rate_limited)")).count();
    let rest: Vec<&Said> = answers.iter().filter(|said| said.code != 0 && said.code != 126).collect();
    assert!(rest.is_empty(), "each is served or told why not: {rest:#?}");
    assert_eq!(served + limited, 200);
    assert!(served >= 8, "only {served} were served");

    let records = house.records();
    let asked = |allow: bool| {
        let verdict = if allow { "allow" } else { "deny" };
        let of_ours = |record: &&serde_json::Value| {
            record["kind"] == "intent" && record["argv"][0] == "cat" && record["verdict"] == verdict
        };
        records.iter().filter(of_ours).count()
    };
    assert_eq!((asked(true), asked(false)), (served, limited), "each request has its intent");
    house.operator(&["audit", "verify"]).worked();
}

#[test]
fn two_hundred_engine_requests_at_once_are_each_answered_and_recorded() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let house = House::plain();
    let socket = house.dir.join(format!("run/workers/{}/docker.sock", house.worker));
    let threads: Vec<_> = (0..200)
        .map(|_| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                let mut stream = UnixStream::connect(socket).unwrap();
                stream
                    .write_all(b"GET /v1.41/containers/json HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
                    .unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer.split(' ').nth(1).unwrap_or_default().to_owned()
            })
        })
        .collect();
    let answers: Vec<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(answers.iter().all(|status| status == "200" || status == "429"), "{answers:?}");
    assert!(answers.iter().filter(|status| *status == "200").count() >= 64);
    let records = house.records();
    let asked = records
        .iter()
        .filter(|record| record["kind"] == "intent" && record["http"]["target"] == "/v1.41/containers/json");
    assert_eq!(asked.count(), 200);
    house.operator(&["audit", "verify"]).worked();
}
