//! A master dies and a replica takes over: work goes on there, and the records hold no job twice.

use rustix::process::Signal;

use super::{Tally, lines, seen};
use crate::{
    support::{Cluster, House, Sentinels, Server, until},
    wire_protocol::access,
};

/// Push a line, and count it as accepted only when a replica has it too; a line that may be there is sent again.
fn push_safely(server: impl Fn() -> Option<u16>, queue: &str, line: &str) {
    until("a line is on the replica", || {
        let Some(port) = server() else { return false };
        let push = || -> redis::RedisResult<i64> {
            let mut connection = redis::Client::open(format!("redis://127.0.0.1:{port}"))?.get_connection()?;
            redis::cmd("RPUSH").arg(format!("liaison:{{{queue}}}:inbox")).arg(line).exec(&mut connection)?;
            redis::cmd("WAIT").arg(1).arg(1000).query(&mut connection)
        };
        push().is_ok_and(|replicas| replicas >= 1)
    });
}

/// Some are done, some run, and more wait.
fn in_full_flight(house: &House, server: &Server, queue: &str) {
    until("some are done", || house.count("done") > 0);
    let left: usize = server.ask(&["HLEN", &format!("liaison:{{{queue}}}:jobs")]);
    let held: usize = server.ask(&["HLEN", &format!("liaison:{{{queue}}}:held")]);
    assert!(held > 0 && left > held, "{left} jobs, {held} of them held");
}

#[test]
fn a_master_of_a_cluster_that_dies_is_replaced_by_its_replica() {
    const EACH: usize = 200;
    let mut cluster = Cluster::start(3, 1);
    let [doomed, other] = [0, 1].map(|master| cluster.queue_on(master));
    let house = House::sqlite()
        .set("LIAISON_REDIS_URL", &cluster.url())
        .set("LIAISON_WORKER__CONCURRENCY", "6")
        .set("LIAISON_QUEUE__0__NAME", &doomed)
        .set("LIAISON_QUEUE__1__NAME", &other);
    let worker = house.worker();
    let port = cluster.servers[0].port;
    for line in lines("before-", EACH, 40) {
        push_safely(|| Some(port), &doomed, &line);
    }
    let mut accepted = EACH + cluster.push(&other, &lines("other-", EACH, 20));
    in_full_flight(&house, &cluster.servers[0], &doomed);
    cluster.servers[0].kill();
    until("the replica has taken over", || cluster.servers[3].info("role").as_deref() == Some("master"));
    accepted += cluster.push(&doomed, &lines("after-", EACH, 5));
    until("the command line goes on as well", || {
        house.cli(&["enqueue", "noop", "--queue", &doomed, "--id", "cli"]).status.success()
    });
    accepted += 1;
    until("all are done", || house.count("done") >= accepted);
    until("nothing is left", || [&doomed, &other].iter().all(|queue| cluster.leftovers(queue).is_empty()));
    worker.stop();
    let tally = Tally::of(&house, accepted);
    seen("a master of a cluster killed", &tally);
    assert!(tally.is_clean(), "{tally}");
}

/// An installation behind sentinels.
fn watched(sentinels: &Sentinels) -> House {
    House::sqlite()
        .set("LIAISON_REDIS_URL", &sentinels.url())
        .set("LIAISON_REDIS__RESPONSE_TIMEOUT", "2s")
        .set("LIAISON_WORKER__CONCURRENCY", "6")
}

/// How many scripts a server has run: whoever works there runs some all the time.
fn scripts_run(server: &Server) -> u64 {
    let calls =
        server.info("cmdstat_evalsha").and_then(|stat| stat.strip_prefix("calls=")?.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

/// Push to whomever the sentinels name. It has no replica that could confirm a line yet.
fn push_to_new_master(sentinels: &Sentinels, lines: &[String]) {
    let mut master = sentinels.master();
    for line in lines {
        let words = ["RPUSH", "liaison:{default}:inbox", line];
        until("a line is accepted", || {
            let accepted = master.try_ask::<i64>(&words).is_ok();
            if !accepted {
                master = sentinels.master();
            }
            accepted
        });
    }
}

#[test]
fn the_sentinels_new_master_is_found_and_a_killed_one_that_returns_is_not_used() {
    const EACH: usize = 200;
    let mut sentinels = Sentinels::start();
    let house = watched(&sentinels);
    let worker = house.worker();
    let old = sentinels.servers[0].port;
    for line in lines("before-", EACH, 40) {
        push_safely(|| Some(old), "default", &line);
    }
    in_full_flight(&house, &sentinels.servers[0], "default");
    sentinels.servers[0].kill();
    // The command line asks the sentinels too; it goes on as soon as they have agreed.
    until("the command line goes on", || house.cli(&["enqueue", "noop", "--id", "cli"]).status.success());
    // It comes back believing that it is the master still, with jobs that were done long ago.
    sentinels.servers[0].resume();
    push_to_new_master(&sentinels, &lines("after-", EACH, 5));
    let accepted = 2 * EACH + 1;
    until("all are done", || house.count("done") >= accepted);
    until("nothing is held", || sentinels.servers[1].ask::<i64>(&["HLEN", "liaison:{default}:jobs"]) == 0);
    // It may have been found before it was deposed; but not for long, though it thinks so for some ten seconds.
    let [old, new] = &sentinels.servers;
    let go_on = || {
        let before = scripts_run(new);
        until("work goes on at the new master", || {
            scripts_run(new) > before + 20 || sentinels.master().port != new.port
        });
    };
    go_on();
    let before = scripts_run(old);
    go_on();
    assert_eq!(sentinels.master().port, new.port, "this machine was too busy: there was another failover");
    assert_eq!(scripts_run(old), before);
    worker.stop();
    let tally = Tally::of(&house, accepted);
    seen("a master behind sentinels killed", &tally);
    assert!(tally.is_clean(), "{tally}");
}

#[test]
fn a_master_that_was_frozen_past_a_failover_is_not_used_when_it_wakes() {
    const EACH: usize = 200;
    let sentinels = Sentinels::start();
    let house = watched(&sentinels);
    let worker = house.worker();
    let [old, new] = &sentinels.servers;
    for line in lines("before-", EACH, 40) {
        push_safely(|| Some(old.port), "default", &line);
    }
    in_full_flight(&house, old, "default");
    old.signal(Signal::STOP);
    until("there is a new master", || sentinels.master().port == new.port);
    push_to_new_master(&sentinels, &lines("asleep-", EACH, 5));
    until("work goes on there", || scripts_run(new) > 0 && house.count("done") > EACH);
    // All our connections to it are open still, and for some seconds it thinks that it is the master. What lay in its
    // sockets is carried out, on data that will be thrown away.
    old.signal(Signal::CONT);
    until("it answers", || old.try_ask::<String>(&["PING"]).is_ok());
    let before = scripts_run(old);
    push_to_new_master(&sentinels, &lines("awake-", EACH, 5));
    let accepted = 3 * EACH;
    until("all are done", || house.count("done") >= accepted);
    until("nothing is held", || new.ask::<i64>(&["HLEN", "liaison:{default}:jobs"]) == 0);
    assert_eq!(scripts_run(old), before);
    worker.stop();
    let tally = Tally::of(&house, accepted);
    seen("a master behind sentinels frozen", &tally);
    assert!(tally.is_clean(), "{tally}");
}

#[test]
fn sentinels_may_want_to_know_who_asks() {
    let master = Server::start(&[]);
    let sentinel = Server::sentinel(master.port);
    let [.., asker] = access::users();
    sentinel.ask::<String>(&asker.iter().map(String::as_str).collect::<Vec<_>>());
    sentinel.ask::<String>(&["ACL", "SETUSER", "default", "off"]);
    let url = format!("redis-sentinel://{}/main", sentinel.address());
    let house = House::sqlite().set("LIAISON_REDIS_URL", &url);
    let refused = |house: &House, words: &str| {
        let output = house.cli(&["queues", "list"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "waited for {words:?} in: {said}");
    };
    refused(&house, "refused the user or password");
    let password = house.write("password", access::PASSWORD);
    let house = house.set("LIAISON_REDIS__SENTINEL_USER", "liaison");
    let house = house.set("LIAISON_REDIS__SENTINEL_PASSWORD_FILE", &password);
    assert_eq!(house.json(&["enqueue", "noop"])["status"], "queued");
    let other =
        house.set("LIAISON_REDIS_URL", &url.replace("/main", "/mian")).set("LIAISON_REDIS__CONNECT_TIMEOUT", "300ms");
    refused(&other, "a master by the name of mian");
}
