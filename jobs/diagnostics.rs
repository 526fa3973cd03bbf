//! Jobs that try the engine and touch nothing else. Off unless `[worker] diagnostics = true`.

mod call_provider;
mod crash;
mod echo;
mod fail;
mod knock;
mod noop;
mod pair;
mod panic;
mod sleep;

pub(crate) use call_provider::CallProvider;
pub(crate) use crash::Crash;
pub(crate) use echo::Echo;
pub(crate) use fail::Fail;
pub(crate) use knock::Knock;
pub(crate) use noop::Noop;
pub(crate) use pair::Pair;
pub(crate) use panic::Panic;
pub(crate) use sleep::Sleep;

use std::time::Duration;

use liaison_queue::outcome::Failure;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Connect, say these words on one line, stay for a while, and go when the other side has seen it go.
async fn call(address: &str, words: &str, hold_ms: u32) -> Result<(), Failure> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{words}\n").as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(hold_ms.into())).await;
        stream.shutdown().await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    talk.await.map(drop).map_err(|fault| Failure::retry(format!("cannot knock at {address}: {fault}")))
}
