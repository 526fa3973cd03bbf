//! Being woken: a blocking look at the head of the inbox, which moves nothing.
//!
//! `BLMOVE inbox inbox LEFT LEFT` puts the head back where it was, in one atomic step, and answers the moment there is
//! one. Hosts that push lines wake us by that alone; the scripts push an empty line when somebody sleeps.

use std::{future::Future, pin::Pin, time::Duration};

use crate::{link::Link, scripts::bytes};

const AFTER_A_BREAK: Duration = Duration::from_millis(200);
/// How long one look lasts; then it is sent again, which also shows that the connection still lives.
const PATIENCE: Duration = Duration::from_secs(5);

enum Answer {
    Line(Vec<u8>),
    Nothing,
    Broken,
}

type Look = Pin<Box<dyn Future<Output = (Option<redis::aio::MultiplexedConnection>, Answer)> + Send>>;

fn look(link: Link, inbox: String, connection: Option<redis::aio::MultiplexedConnection>) -> Look {
    Box::pin(async move {
        let mut connection = match connection {
            Some(connection) => connection,
            None => match link.dedicated(PATIENCE).await {
                Ok(connection) => connection,
                Err(_) => return (None, Answer::Broken),
            },
        };
        let mut command = redis::cmd("BLMOVE");
        command.arg(&inbox).arg(&inbox).arg("LEFT").arg("LEFT").arg(PATIENCE.as_secs());
        match connection.send_packed_command(&command).await {
            Ok(redis::Value::Nil) => (Some(connection), Answer::Nothing),
            Ok(value) => match bytes(value) {
                Some(head) => (Some(connection), Answer::Line(head)),
                None => (None, Answer::Broken),
            },
            Err(_) => (None, Answer::Broken),
        }
    })
}

pub(crate) struct Wake {
    link: Link,
    inbox: String,
    connection: Option<redis::aio::MultiplexedConnection>,
    /// A look that was interrupted goes on: its answer belongs to whoever sleeps next.
    pending: Option<Look>,
}

impl Wake {
    pub(crate) fn new(link: Link, inbox: String) -> Self {
        Self { link, inbox, connection: None, pending: None }
    }

    /// After an outage the old connection tells nothing any more.
    pub(crate) fn forget(&mut self) {
        self.connection = None;
        self.pending = None;
    }

    /// Until somebody wakes us: true when lines wait, false when it was a mere nudge.
    pub(crate) async fn next(&mut self) -> bool {
        loop {
            let look = match &mut self.pending {
                Some(look) => look,
                None => self.pending.insert(look(self.link.clone(), self.inbox.clone(), self.connection.take())),
            };
            let (connection, answer) = look.as_mut().await;
            self.pending = None;
            self.connection = connection;
            match answer {
                Answer::Line(text) => return !text.is_empty(),
                Answer::Nothing => {}
                // The claimer's own calls find out what is wrong and wait as long as it takes; but if only this one is
                // refused, as by an ACL, looking by hand must not become a busy loop.
                Answer::Broken => {
                    tokio::time::sleep(AFTER_A_BREAK).await;
                    return true;
                }
            }
        }
    }
}
