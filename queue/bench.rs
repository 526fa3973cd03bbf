//! What a benchmark needs to know of Redis, and the floor under every figure: our own scripts and nothing else.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    clock::Clock,
    envelope::Limits,
    error::QueueError,
    isolation::Isolation,
    link::Link,
    names::{JobId, QueueName},
    scripts::{
        MAX_ITEMS, Scripts,
        held::{ClaimTerms, Leaving},
        text,
    },
};

/// Batches under way at once: enough for the server never to wait for its client.
const PIPELINE: usize = 4;

/// How long a bare client takes to claim and acknowledge everything in a queue, and how many jobs that was.
///
/// # Errors
/// When Redis does not answer.
pub async fn floor(link: &Link, queue: &QueueName) -> Result<(u64, Duration), QueueError> {
    let scripts = Arc::new(Scripts::new(link.clone(), queue.clone(), Clock::Redis));
    let begin = Instant::now();
    let lanes = (0..PIPELINE).map(|lane| {
        let scripts = Arc::clone(&scripts);
        async move {
            let terms = ClaimTerms {
                lease: Duration::from_mins(1),
                most: MAX_ITEMS / 4,
                low_share: 8,
                until: None,
                isolation: Isolation::None,
            };
            let (mut jobs, mut round) = (0u64, 0u64);
            loop {
                let token = format!("floor/{lane}-{round}");
                round += 1;
                let reply = scripts.claim(&token, terms).await?;
                if reply.items.is_empty() {
                    return Ok(jobs);
                }
                jobs += reply.items.len() as u64;
                let ids: Vec<JobId> = reply.items.iter().filter_map(|item| JobId::parse(&item.id).ok()).collect();
                let items: Vec<_> =
                    ids.iter().map(|id| Leaving { id, token: &token, given: false, tied: None, reply: None }).collect();
                scripts.acknowledge(&items, &[&token], Duration::ZERO, Duration::ZERO).await?;
            }
        }
    });
    let mut jobs = 0;
    for lane in join_all(lanes).await {
        jobs += lane?;
    }
    Ok((jobs, begin.elapsed()))
}

/// Push lines through the plain door, as a host would.
///
/// # Errors
/// When Redis does not answer.
pub async fn push(link: &Link, queue: &QueueName, lines: &[String]) -> Result<(), QueueError> {
    let scripts = Scripts::new(link.clone(), queue.clone(), Clock::Redis);
    for chunk in lines.chunks(MAX_ITEMS) {
        link.call("push", redis::cmd("RPUSH").arg(&scripts.keys.inbox).arg(chunk)).await?;
    }
    Ok(())
}

/// Enqueue by the script for hosts, which judges in Redis.
///
/// # Errors
/// When Redis does not answer, or rejects one.
pub async fn enqueue_judged(link: &Link, queue: &QueueName, lines: &[String]) -> Result<(), QueueError> {
    let scripts = Scripts::new(link.clone(), queue.clone(), Clock::Redis);
    for chunk in lines.chunks(MAX_ITEMS) {
        let ids: Vec<JobId> = chunk.iter().map(|_| JobId::generate()).collect();
        let items: Vec<_> = ids.iter().zip(chunk).map(|(id, line)| (id, line.as_bytes())).collect();
        for said in scripts.enqueue(Limits::default(), &items).await? {
            if !said.starts_with("queued ") {
                return Err(link.odd("enqueue", &redis::Value::SimpleString(said)));
            }
        }
    }
    Ok(())
}

/// Keep the same lines with the two commands that it takes at least, in batches, beside the queue.
///
/// # Errors
/// When Redis does not answer.
pub async fn keep_bare(link: &Link, queue: &QueueName, from: u64, lines: &[String]) -> Result<(), QueueError> {
    let scripts = Scripts::new(link.clone(), queue.clone(), Clock::Redis);
    for (at, chunk) in lines.chunks(MAX_ITEMS).enumerate() {
        let first = from + (at * MAX_ITEMS) as u64;
        let ids: Vec<String> = (0..chunk.len() as u64).map(|n| format!("{:026}", first + n)).collect();
        let (mut keep, mut wait) = (redis::cmd("HSET"), redis::cmd("RPUSH"));
        keep.arg(scripts.keys.named("jobs"));
        wait.arg(scripts.keys.named("ready:normal")).arg(&ids);
        for (id, line) in ids.iter().zip(chunk) {
            keep.arg(id).arg(line);
        }
        let mut pipe = redis::pipe();
        pipe.add_command(keep).add_command(wait);
        link.calls("keep", &pipe).await?;
    }
    Ok(())
}

/// One bare round trip.
///
/// # Errors
/// When Redis does not answer.
pub async fn ping(link: &Link) -> Result<(), QueueError> {
    link.call("ping", &redis::cmd("PING")).await.map(drop)
}

/// The processor time that Redis takes for so many of the least of its commands, in pipelines of 64.
///
/// # Errors
/// When Redis does not answer.
pub async fn pings(link: &Link, count: u64) -> Result<Duration, QueueError> {
    let before = processor_time(link).await?;
    let mut pipe = redis::pipe();
    for _ in 0..64 {
        pipe.cmd("PING");
    }
    for _ in 0..count.div_ceil(64) {
        link.calls("ping", &pipe).await?;
    }
    Ok(processor_time(link).await?.saturating_sub(before))
}

/// The processor time that Redis has used so far.
///
/// # Errors
/// When Redis does not answer.
pub async fn processor_time(link: &Link) -> Result<Duration, QueueError> {
    let info = text(&link.call("info", redis::cmd("INFO").arg("cpu")).await?).unwrap_or_default();
    let seconds: f64 = ["used_cpu_sys:", "used_cpu_user:"]
        .iter()
        .filter_map(|name| info.lines().find_map(|line| line.strip_prefix(name)))
        .filter_map(|value| value.trim().parse::<f64>().ok())
        .sum();
    Ok(Duration::from_secs_f64(seconds))
}

/// Switch the append-only file on (synced every second) or off, and wait until it is written anew.
///
/// # Errors
/// When Redis does not answer.
pub async fn append_only(link: &Link, on: bool) -> Result<(), QueueError> {
    let value = if on { "yes" } else { "no" };
    link.call("config", redis::cmd("CONFIG").arg("SET").arg("appendonly").arg(value)).await?;
    loop {
        let info = text(&link.call("info", redis::cmd("INFO").arg("persistence")).await?).unwrap_or_default();
        if info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
