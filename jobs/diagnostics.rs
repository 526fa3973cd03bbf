//! Jobs that try the engine and touch nothing else. Off unless `[worker] diagnostics = true`.

mod crash;
mod echo;
mod fail;
mod noop;
mod panic;
mod sleep;

pub(crate) use crash::Crash;
pub(crate) use echo::Echo;
pub(crate) use fail::Fail;
pub(crate) use noop::Noop;
pub(crate) use panic::Panic;
pub(crate) use sleep::Sleep;
