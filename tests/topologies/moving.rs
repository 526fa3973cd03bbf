//! A cluster of three masters, whose slots move while jobs run.

use std::io::Write as _;
use std::process::Stdio;
use std::thread;

use redis::Value;

use super::{Tally, lines, seen};
use crate::support::{Cluster, House, until};

/// An installation whose queues live on all masters.
fn house(cluster: &Cluster, queues: &[String]) -> House {
    let mut house = House::sqlite().set("LIAISON_REDIS_URL", &cluster.url()).set("LIAISON_WORKER__CONCURRENCY", "8");
    for (at, queue) in queues.iter().enumerate() {
        house = house.set(&format!("LIAISON_QUEUE__{at}__NAME"), queue);
    }
    house
}

/// Through the scripted door, with the command line.
fn enqueue(house: &House, queue: &str, lines: &[String]) -> usize {
    let lines: Vec<_> = lines.iter().map(|line| line.replacen('{', &format!(r#"{{"queue":"{queue}","#), 1)).collect();
    let mut command = house.command(&["enqueue", "--bulk", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start liaison");
    let text = lines.join("\n");
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("write the envelopes");
    let output = child.wait_with_output().expect("it ends");
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{answers}");
    let taken = answers.lines().filter(|line| line.contains("queued") || line.contains("duplicate")).count();
    assert_eq!(taken, lines.len(), "{answers}");
    taken
}

#[test]
fn slots_that_move_while_jobs_run_lose_and_double_nothing() {
    const EACH: usize = 400;
    let cluster = Cluster::start(3, 0);
    let queues: Vec<String> = (0..3).map(|master| cluster.queue_on(master)).collect();
    let house = house(&cluster, &queues);
    let worker = house.worker();
    let mut accepted = 0;
    thread::scope(|scope| {
        let plain = queues.iter().map(|queue| {
            let cluster = &cluster;
            scope.spawn(move || cluster.push(queue, &lines(&format!("plain-{queue}-"), EACH, 3)))
        });
        let mut hosts: Vec<_> = plain.collect();
        hosts.push(scope.spawn(|| {
            let chunks = (0..8).flat_map(|part| queues.iter().map(move |queue| (part, queue)));
            chunks
                .map(|(part, queue)| enqueue(&house, queue, &lines(&format!("cli-{queue}-{part}-"), EACH / 8, 3)))
                .sum()
        }));
        for round in 1..=4 {
            for (home, queue) in queues.iter().enumerate() {
                let slot = cluster.slot(&format!("{{{queue}}}"));
                let from = &cluster.servers[cluster.owner(slot)];
                let refused = || {
                    let count =
                        |name| from.info(name).and_then(|text| text.strip_prefix("count=")?.parse::<u64>().ok());
                    count("errorstat_TRYAGAIN").unwrap_or(0) + count("errorstat_ASK").unwrap_or(0)
                };
                let before = refused();
                let slot = cluster.open(slot, (home + round) % 3);
                until("somebody met the open slot", || refused() > before);
                slot.finish();
            }
        }
        accepted = hosts.into_iter().map(|host| host.join().expect("a host")).sum();
    });
    until("all are done", || house.count("done") >= accepted);
    until("nothing is left", || queues.iter().all(|queue| cluster.leftovers(queue).is_empty()));
    let log = worker.stop();
    let tally = Tally::of(&house, accepted);
    seen("12 moves of slots under load", &tally);
    assert_eq!(accepted, 2 * EACH * queues.len());
    assert!(tally.is_clean(), "{tally}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn lines_for_a_queue_on_another_node_are_sent_on() {
    let cluster = Cluster::start(3, 0);
    let [here, there] = [0, 1].map(|master| cluster.queue_on(master));
    let house = house(&cluster, &[here.clone(), there.clone()]);
    let worker = house.worker();
    let line = |n| format!(r#"{{"id":"far-{n}","job":"noop","queue":"{there}"}}"#);
    let accepted = cluster.push(&here, &(0..50).map(line).collect::<Vec<_>>());
    until("all are done", || house.count("done") == accepted);
    until("nothing is left", || cluster.leftovers(&here).is_empty() && cluster.leftovers(&there).is_empty());
    let listed = house.json(&["queues", "list"]).to_string();
    assert!(listed.contains(&here) && listed.contains(&there), "{listed}");
    let told = house.json(&["enqueue", "echo", "--queue", &there, "--args", "[1]", "--wait", "30s"]);
    assert_eq!(told["result"], serde_json::json!([1]));
    let tally = Tally::of(&house, accepted + 1);
    assert!(tally.is_clean(), "{tally}");
    worker.stop();
}

/// What stands in a slot, key by key.
fn contents(cluster: &Cluster, master: usize) -> Vec<(String, Value)> {
    let mut keys: Vec<String> = cluster.servers[master].ask(&["KEYS", "liaison:{*"]);
    keys.sort();
    keys.into_iter().map(|key| (key.clone(), cluster.servers[master].ask(&["DUMP", &key]))).collect()
}

#[test]
fn a_script_is_refused_whole_while_its_slot_moves() {
    let cluster = Cluster::start(3, 0);
    let queue = cluster.queue_on(0);
    let server = &cluster.servers[0];
    let key = |name: &str| format!("liaison:{{{queue}}}:{name}");
    server.ask::<i64>(&["HSET", &key("held"), "a", "gone/1"]);
    let before = contents(&cluster, 0);
    let open = cluster.open(cluster.slot(&key("jobs")), 1);

    // Like many of ours, it empties a key and asks it again.
    let script = "redis.call('HDEL', KEYS[1], 'a') return redis.call('HLEN', KEYS[1])";
    let (held, never) = (key("held"), key("never"));
    let call = |keys: &[&str]| {
        let count = keys.len().to_string();
        server.try_ask::<i64>(&[&["EVAL", script, &count], keys].concat())
    };
    // With the key that is never there, as we call all of ours: nothing has happened.
    let fault = call(&[&held, &never]).expect_err("it is refused");
    assert!(matches!(fault.code(), Some("TRYAGAIN" | "ASK")), "{fault}");
    assert_eq!(contents(&cluster, 0), before);
    // Without it, the server starts the script, and stops it where the script has emptied a key.
    let fault = call(&[&held]).expect_err("it is stopped");
    seen("half of a script in a moving slot", &fault);
    assert!(fault.to_string().contains("non local key"), "{fault}");
    assert_ne!(contents(&cluster, 0), before, "if this holds one day, the key can go");

    // The scripted door is refused in the same way, and says what is going on.
    let house = house(&cluster, std::slice::from_ref(&queue)).set("LIAISON_REDIS__CONNECT_TIMEOUT", "300ms");
    let now = contents(&cluster, 0);
    let output = house.cli(&["enqueue", "noop", "--queue", &queue]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("on their way to another node"), "{said}");
    assert_eq!(contents(&cluster, 0), now);
    open.finish();
    assert_eq!(house.json(&["enqueue", "noop", "--queue", &queue])["status"], "queued");
}
