//! Sentinels: which server is the master now, by the newest of what they say.

use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;

use super::{
    address::At,
    node::{Node, Words},
    route::Route,
};
use crate::{error::QueueError, scripts::text};

impl Route {
    /// All of them at once.
    pub(super) async fn ask_sentinels(&self, name: &str, patience: Duration) -> Result<At, QueueError> {
        let questions = self.address.seeds.iter().map(|at| self.patiently(patience, self.ask_sentinel(at, name)));
        self.newest(join_all(questions).await)
    }

    /// What a sentinel says, and how new that is.
    async fn ask_sentinel(&self, at: &At, name: &str) -> Result<(u64, At), QueueError> {
        let sentinel = Node::new(self.address.sentinel_at(at), self.timeouts, false)?;
        // The first is ahead of the second while a failover is under way; only the second tells the epoch.
        let mut questions = redis::pipe();
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        questions.cmd("SENTINEL").arg("MASTER").arg(name);
        let answers = match sentinel.send("ask for the master", Words::Several(&questions)).await {
            Err(QueueError::Call { source, .. }) if source.to_string().contains("No such master") => Vec::new(),
            answers => answers?,
        };
        let [Value::Array(address), state] = answers.as_slice() else { return Err(self.astray(None)) };
        let port = address.get(1).and_then(text).and_then(|port| port.parse().ok()).unwrap_or(0);
        let host = address.first().and_then(text).unwrap_or_default();
        let master = At::new(&host, port, &sentinel.host).ok_or_else(|| self.astray(None))?;
        Ok((epoch(state), master))
    }

    /// Of all that the sentinels say the newest: for a second or two after a failover, some of them have not heard of
    /// it, and an old master that is back by then would be taken for the right one.
    fn newest(&self, said: Vec<Result<(u64, At), QueueError>>) -> Result<At, QueueError> {
        let (mut newest, mut faults): (Option<(u64, At)>, _) = (None, Vec::new());
        for answer in said {
            match answer {
                Ok(answer) if newest.as_ref().is_none_or(|(epoch, _)| answer.0 > *epoch) => newest = Some(answer),
                Ok(_) => {}
                Err(fault) => faults.push(fault),
            }
        }
        newest.map(|(_, master)| master).ok_or_else(|| self.worst(faults))
    }
}

/// The number of the failover that made a master one.
fn epoch(state: &Value) -> u64 {
    let Value::Array(parts) = state else { return 0 };
    let mut words = parts.iter().filter_map(text).skip_while(|word| word != "config-epoch");
    words.nth(1).and_then(|epoch| epoch.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_stands_among_many_words() {
        let words = ["name", "main", "config-epoch", "7", "quorum", "2"];
        let state = Value::Array(words.iter().map(|word| Value::BulkString((*word).into())).collect());
        assert_eq!(epoch(&state), 7);
        assert_eq!(epoch(&Value::Nil), 0);
    }
}
