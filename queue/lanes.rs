//! What operators see of lanes: whose turn it is, and who waits.

use redis::Value;
use serde::Serialize;

use crate::{
    error::QueueError,
    inspector::{Inspector, Whereabouts, count, whereabouts::lane_of},
    names::{JobId, LaneName, QueueName},
    scripts::text,
};

/// One lane at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct LaneCard {
    pub lane: LaneName,
    pub queue: QueueName,
    /// Whose turn it is.
    pub head: JobId,
    /// How many wait behind it; places that were given up in between are counted too until they are passed.
    pub waiting: u64,
}

/// One lane, with where its head is and who comes next.
#[derive(Debug, Clone, Serialize)]
pub struct LaneView {
    #[serde(flatten)]
    pub card: LaneCard,
    /// Where the head is; nothing if it left between two looks.
    pub head_is: Option<Whereabouts>,
    /// The next ones, in order.
    pub next: Vec<JobId>,
}

/// A lane as the scripts keep it: see `lua/parts/lanes.lua`.
struct Look {
    lane: LaneName,
    head: JobId,
    /// The place that was reached, and the last one that was given; some in between may have been given up.
    reached: u64,
    last: u64,
    /// How many let others pass and are back.
    back: u64,
}

/// Those of one lane who are back, as bounds for the commands that go by name.
fn bounds(lane: &LaneName) -> (String, String) {
    (format!("[{lane} "), format!("({lane}!"))
}

/// The id in a value of `lanes`.
pub(crate) fn standing(value: &str) -> Option<&str> {
    match value.split_once(' ') {
        Some((_, id)) => Some(id),
        None => value.get(1..),
    }
}

fn texts(value: &Value) -> Vec<Option<String>> {
    if let Value::Array(values) = value { values.iter().map(text).collect() } else { Vec::new() }
}

impl Inspector {
    /// Lanes with a job in them, the deepest first; at most so many are looked at.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn lanes(&self, most: usize) -> Result<Vec<LaneCard>, QueueError> {
        let (link, k) = (&self.scripts().link, &self.scripts().keys);
        let mut names: Vec<LaneName> = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let page =
                link.call("list lanes", redis::cmd("HSCAN").arg(&k.turns).arg(&cursor).arg("COUNT").arg(1000)).await?;
            let Value::Array(page) = page else { break };
            let [next, Value::Array(pairs)] = page.as_slice() else { break };
            let name = |pair: &[Value]| LaneName::parse(&text(pair.first()?)?).ok();
            names.extend(pairs.chunks(2).filter_map(name));
            cursor = text(next).unwrap_or_default();
            if cursor.is_empty() || cursor == "0" || names.len() >= most {
                break;
            }
        }
        names.sort();
        names.dedup();
        names.truncate(most);
        let mut cards: Vec<_> = self.look(names).await?.into_iter().map(|look| self.card(look)).collect();
        cards.sort_by(|a, b| b.waiting.cmp(&a.waiting).then_with(|| a.lane.cmp(&b.lane)));
        Ok(cards)
    }

    async fn look(&self, names: Vec<LaneName>) -> Result<Vec<Look>, QueueError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let (link, k) = (&self.scripts().link, &self.scripts().keys);
        let mut pipe = redis::pipe();
        for key in [&k.turns, &k.ends, &k.fronts] {
            let mut command = redis::cmd("HMGET");
            command.arg(key);
            for lane in &names {
                command.arg(lane.as_str());
            }
            pipe.add_command(command);
        }
        for lane in &names {
            let (from, to) = bounds(lane);
            pipe.cmd("ZLEXCOUNT").arg(&k.returning).arg(from).arg(to);
        }
        let found = link.calls("look at lanes", &pipe).await?;
        let [turns, ends, fronts] = [&found[0], &found[1], &found[2]].map(texts);
        let heads: Vec<&str> = turns.iter().map(|head| head.as_deref().unwrap_or_default()).collect();
        let stored = texts(&link.call("look at lanes", redis::cmd("HMGET").arg(&k.jobs).arg(&heads)).await?);
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut looks = Vec::with_capacity(names.len());
        for (at, lane) in names.into_iter().enumerate() {
            // One that is empty by now is left out.
            let Some(head) = turns.get(at).cloned().flatten().and_then(|id| JobId::parse(&id).ok()) else { continue };
            let own_place = stored.get(at).and_then(Option::as_deref).and_then(lane_of).map(|(_, place)| place);
            let reached = fronts.get(at).and_then(Option::as_deref).or(own_place);
            let last = ends.get(at).and_then(Option::as_deref);
            looks.push(Look { lane, head, reached: number(reached), last: number(last), back: count(&found[3 + at]) });
        }
        Ok(looks)
    }

    fn card(&self, look: Look) -> LaneCard {
        let waiting = look.last.saturating_sub(look.reached) + look.back;
        LaneCard { lane: look.lane, queue: self.scripts().queue.clone(), head: look.head, waiting }
    }

    /// One lane, if any job is in it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn lane(&self, lane: &LaneName, most: usize) -> Result<Option<LaneView>, QueueError> {
        let (link, k) = (&self.scripts().link, &self.scripts().keys);
        let Some(look) = self.look(vec![lane.clone()]).await?.pop() else { return Ok(None) };
        let (from, to) = bounds(lane);
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANGEBYLEX").arg(&k.returning).arg(&from).arg(&to).arg("LIMIT").arg(0).arg(most);
        let mut command = redis::cmd("HMGET");
        command.arg(&k.lanes);
        // Places that were given up in between make it a few less.
        for place in look.reached + 1..=look.last.min(look.reached + most as u64).max(look.reached + 1) {
            command.arg(format!("{lane} {place}"));
        }
        pipe.add_command(command);
        let found = link.calls("look at a lane", &pipe).await?;
        let back =
            texts(&found[0]).into_iter().flatten().filter_map(|member| JobId::parse(member.rsplit(' ').next()?).ok());
        let standing = texts(&found[1]).into_iter().flatten().filter_map(|value| JobId::parse(standing(&value)?).ok());
        let next = back.chain(standing).take(most).collect();
        let head_is = self.find(&look.head).await?;
        Ok(Some(LaneView { card: self.card(look), head_is, next }))
    }
}
