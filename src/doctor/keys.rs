//! Keys in Redis under our name that are not ours, or not what they should be.

use super::{Check, Finding, Severity, unanswered, within};
use crate::app::App;

/// Enough to meet every key of a thousand queues; the work stays bounded however many replies wait.
const MOST: usize = 20_000;
/// As many names as a person reads.
const SHOWN: usize = 5;

pub(super) async fn look(app: &App) -> Finding {
    let place = app.link.server();
    let (looked, found) = match within(liaison_queue::strangers(&app.link, MOST)).await {
        Ok(seen) => seen,
        Err(problem) => return unanswered(Check::RedisKeys, place, &problem),
    };
    let wrong: Vec<_> = found.iter().filter(|one| one.expected.is_some()).collect();
    let names = |some: &mut dyn Iterator<Item = String>| some.take(SHOWN).collect::<Vec<_>>().join(", ");
    if !wrong.is_empty() {
        let mut those = wrong.iter().map(|one| {
            let expected = one.expected.unwrap_or_default();
            format!("{} is a {} and should be a {expected}", one.key, one.kind)
        });
        let what = format!("{} keys cannot be read as ours: {}", wrong.len(), names(&mut those));
        let remedy = "find out who writes there; rename the key away, then what it held can be looked at in peace";
        return Finding::new(Check::RedisKeys, Severity::Error, place, what, remedy);
    }
    if found.is_empty() {
        return Finding::ok(Check::RedisKeys, place, format!("{looked} keys looked at, all of a kind that we know"));
    }
    let what = format!(
        "{} keys under `liaison:` that this release does not know: {}",
        found.len(),
        names(&mut found.iter().map(|one| one.key.clone()))
    );
    let remedy = "leave them if a newer release runs beside this one; else see who makes them";
    Finding::new(Check::RedisKeys, Severity::Advice, place, what, remedy)
}
