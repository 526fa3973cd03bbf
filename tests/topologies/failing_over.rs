//! A master dies and a replica takes over: work goes on there, and the records hold no job twice.

use super::{Tally, lines};
use crate::support::{Cluster, House, Sentinels, Server, until};

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

#[test]
fn a_master_of_a_cluster_that_dies_is_replaced_by_its_replica() {
    const EACH: usize = 200;
    let mut cluster = Cluster::start(3, 1);
    let [doomed, other] = [0, 1].map(|master| cluster.queue_on(master));
    let house = House::sqlite()
        .set("LIAISON_REDIS_URL", &cluster.url())
        .set("LIAISON_WORKER__CONCURRENCY", "8")
        .set("LIAISON_QUEUE__0__NAME", &doomed)
        .set("LIAISON_QUEUE__1__NAME", &other);
    let worker = house.worker();
    let port = cluster.servers[0].port;
    for line in lines("before-", EACH, 5) {
        push_safely(|| Some(port), &doomed, &line);
    }
    let mut accepted = EACH + cluster.push(&other, &lines("other-", EACH, 5));
    until("some are done", || house.count("done") > EACH / 2);
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
    println!("a master of a cluster killed: {tally}");
    assert!(tally.is_clean(), "{tally}");
}

#[test]
fn the_sentinels_new_master_is_found_and_the_old_one_never_used_again() {
    const EACH: usize = 200;
    let mut sentinels = Sentinels::start();
    let house = House::sqlite()
        .set("LIAISON_REDIS_URL", &sentinels.url())
        .set("LIAISON_REDIS__RESPONSE_TIMEOUT", "2s")
        .set("LIAISON_WORKER__CONCURRENCY", "8");
    let worker = house.worker();
    let old = sentinels.servers[0].port;
    for line in lines("before-", EACH, 5) {
        push_safely(|| Some(old), "default", &line);
    }
    until("some are done", || house.count("done") > EACH / 4);
    sentinels.servers[0].kill();
    // The command line asks the sentinels too; it goes on as soon as they have agreed.
    until("the command line goes on", || house.cli(&["enqueue", "noop", "--id", "cli"]).status.success());
    until("there is a new master", || sentinels.master().port != old);
    let new = sentinels.master().port;
    let push = |server: &Server, line: &str| server.try_ask::<i64>(&["RPUSH", "liaison:{default}:inbox", line]).is_ok();
    for line in lines("after-", EACH, 5) {
        until("a line is accepted", || push(sentinels.master(), &line));
    }
    // It comes back believing that it is the master still, with jobs that were done long ago.
    sentinels.servers[0].resume();
    until("it has become a replica", || sentinels.servers[0].info("master_link_status").as_deref() == Some("up"));
    for line in lines("later-", EACH, 5) {
        push_safely(|| Some(new), "default", &line);
    }
    let accepted = 3 * EACH + 1;
    until("all are done", || house.count("done") >= accepted);
    worker.stop();
    let tally = Tally::of(&house, accepted);
    println!("a master behind sentinels killed: {tally}");
    assert!(tally.is_clean(), "{tally}");
    assert_eq!(sentinels.master().port, new);
    assert_eq!(sentinels.servers[0].info("role").as_deref(), Some("slave"));
}
