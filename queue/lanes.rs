//! What operators see of lanes: whose turn it is, and who waits.

use redis::Value;
use serde::Serialize;

use crate::{
    error::QueueError,
    inspector::{Inspector, Whereabouts, count},
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
    /// How many wait behind it.
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

/// The members of one lane, as bounds for the commands that go by name.
fn bounds(lane: &str) -> (String, String) {
    (format!("[{lane} "), format!("({lane}!"))
}

impl Inspector {
    /// Lanes with a job in them, the deepest first; at most so many are looked at.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn lanes(&self, most: usize) -> Result<Vec<LaneCard>, QueueError> {
        let (link, k) = (&self.scripts().link, &self.scripts().keys);
        let mut heads: Vec<(LaneName, JobId)> = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let page =
                link.call("list lanes", redis::cmd("HSCAN").arg(&k.heads).arg(&cursor).arg("COUNT").arg(1000)).await?;
            let Value::Array(page) = page else { break };
            let [next, Value::Array(pairs)] = page.as_slice() else { break };
            for pair in pairs.chunks(2) {
                let [lane, head] = pair else { continue };
                let lane = text(lane).and_then(|lane| LaneName::parse(&lane).ok());
                heads.extend(lane.zip(text(head).and_then(|id| JobId::parse(&id).ok())));
            }
            cursor = text(next).unwrap_or_default();
            if cursor.is_empty() || cursor == "0" || heads.len() >= most {
                break;
            }
        }
        heads.sort();
        heads.dedup();
        heads.truncate(most);
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (lane, _) in &heads {
            let (from, to) = bounds(lane.as_str());
            pipe.cmd("ZLEXCOUNT").arg(&k.lanes).arg(from).arg(to);
        }
        let depths = link.calls("list lanes", &pipe).await?;
        let queue = &self.scripts().queue;
        let card = |((lane, head), waiting): ((LaneName, JobId), &Value)| {
            let (queue, waiting) = (queue.clone(), count(waiting));
            LaneCard { lane, queue, head, waiting }
        };
        let mut cards: Vec<_> = heads.into_iter().zip(&depths).map(card).collect();
        cards.sort_by(|a, b| b.waiting.cmp(&a.waiting).then_with(|| a.lane.cmp(&b.lane)));
        Ok(cards)
    }

    /// One lane, if any job is in it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn lane(&self, lane: &LaneName, most: usize) -> Result<Option<LaneView>, QueueError> {
        let (link, k) = (&self.scripts().link, &self.scripts().keys);
        let (from, to) = bounds(lane.as_str());
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(&k.heads).arg(lane.as_str());
        pipe.cmd("ZLEXCOUNT").arg(&k.lanes).arg(&from).arg(&to);
        pipe.cmd("ZRANGEBYLEX").arg(&k.lanes).arg(&from).arg(&to).arg("LIMIT").arg(0).arg(most);
        let found = link.calls("show a lane", &pipe).await?;
        let Some(head) = text(&found[0]).and_then(|id| JobId::parse(&id).ok()) else { return Ok(None) };
        let next = if let Value::Array(members) = &found[2] {
            let id = |member: &Value| JobId::parse(text(member)?.rsplit(' ').next()?).ok();
            members.iter().filter_map(id).collect()
        } else {
            Vec::new()
        };
        let head_is = self.find(&head).await?;
        let card =
            LaneCard { lane: lane.clone(), queue: self.scripts().queue.clone(), head, waiting: count(&found[1]) };
        Ok(Some(LaneView { card, head_is, next }))
    }
}
