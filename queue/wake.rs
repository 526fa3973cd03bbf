//! Being woken: a blocking look at the head of the inbox, which moves nothing.
//!
//! `BLMOVE inbox inbox LEFT LEFT` puts the head back where it was, in one atomic step, and answers the moment there is
//! one. Hosts that push lines wake us by that alone; the scripts push an empty line when somebody sleeps.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{link::Link, scripts::bytes};

const AFTER_A_BREAK: Duration = Duration::from_millis(200);
/// How long one look lasts; then it is sent again, which also shows that the connection still lives.
const PATIENCE: Duration = Duration::from_secs(5);

enum Answer {
    Line(Vec<u8>),
    Nothing,
    Broken,
}

type Looked = (Option<redis::aio::MultiplexedConnection>, Answer);

async fn look(link: Link, inbox: String, connection: Option<redis::aio::MultiplexedConnection>) -> Looked {
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
}

pub(crate) struct Wake {
    link: Link,
    inbox: String,
    connection: Option<redis::aio::MultiplexedConnection>,
    /// The look that is under way, if any. Its answer belongs to whoever sleeps next. It goes on by itself: connecting
    /// takes the lock of the route, and a look that nobody drives would keep it from our own next call for ever.
    looking: JoinSet<Looked>,
}

impl Wake {
    pub(crate) fn new(link: Link, inbox: String) -> Self {
        Self { link, inbox, connection: None, looking: JoinSet::new() }
    }

    /// After an outage the old connection tells nothing any more.
    pub(crate) fn forget(&mut self) {
        self.connection = None;
        self.looking = JoinSet::new();
    }

    /// Until somebody wakes us: true when lines wait, false when it was a mere nudge.
    pub(crate) async fn next(&mut self) -> bool {
        loop {
            if self.looking.is_empty() {
                self.looking.spawn(look(self.link.clone(), self.inbox.clone(), self.connection.take()));
            }
            let looked = self.looking.join_next().await.and_then(Result::ok);
            let (connection, answer) = looked.unwrap_or((None, Answer::Broken));
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

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, time::Duration};

    use tokio::time::timeout;

    use super::Wake;
    use crate::{Link, LinkOptions, SentinelUser, TlsFiles};

    #[tokio::test]
    async fn a_look_that_was_interrupted_while_it_connected_is_in_nobodys_way() {
        // It takes connections, and never says anything.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("redis-sentinel://{}/main", silent.local_addr().expect("its address"));
        let options = LinkOptions {
            connect_timeout: Duration::from_millis(300),
            response_timeout: Duration::from_millis(300),
            tls: TlsFiles::default(),
            sentinel: SentinelUser::default(),
        };
        let link = Link::new(&url, options).expect("a link");
        let mut wake = Wake::new(link.clone(), "inbox".to_owned());
        assert!(timeout(Duration::from_millis(50), wake.next()).await.is_err(), "nobody answers");
        let asked = timeout(Duration::from_secs(30), link.call("ask", &redis::cmd("TIME"))).await;
        assert!(asked.expect("it is not kept waiting for ever").is_err(), "nobody answers");
    }
}
