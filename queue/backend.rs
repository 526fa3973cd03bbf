//! apalis, and nothing else: the worker around our pumps. The only file that names it.
//!
//! The backend never returns an error to apalis (one would end the worker); jobs come out undecoded; the outcome is
//! the handler's own result, never the context's status; handlers run on tasks of their own, so that none can stall
//! the rest.

use std::{
    any::Any,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use apalis::{
    layers::catch_panic::CatchPanicLayer,
    prelude::{BoxDynError, ParallelizeExt, Task, WorkerBuilder, WorkerContext},
};
use apalis_core::backend::{Backend, BackendConfig, finalize::Ephemeral};
use futures_util::{Stream, StreamExt};
use tower::{Layer, Service};

use crate::{
    buffer::Buffer,
    claimed::Claimed,
    flow::{Flow, Stage},
    stop::{Phase, Stopping},
};

/// What runs a job.
pub(crate) type Handler<R> = Arc<dyn Fn(Arc<Claimed>) -> Pin<Box<dyn Future<Output = R> + Send>> + Send + Sync>;
/// Where a job goes when its handler has ended.
pub(crate) type Finish<R> = Arc<dyn Fn(Arc<Claimed>, Ended<R>) + Send + Sync>;

/// How a handler ended.
#[derive(Debug)]
pub enum Ended<R> {
    Ran(R),
    Panicked(String),
    /// The time of the drain was over: the job was dropped where it stood.
    Interrupted,
}

/// Run the jobs of a buffer, as many at once as the flow has slots, until it is closed and what ran has ended.
pub(crate) fn run<R: Send + 'static>(
    name: String,
    (buffer, flow): (Arc<Buffer>, Arc<Flow>),
    handler: Handler<R>,
    finish: Finish<R>,
    stopping: Stopping,
) -> impl Future<Output = ()> + Send {
    let service = tower::service_fn(move |task: Task<Arc<Claimed>>| {
        let (handler, mut stopping) = (Arc::clone(&handler), stopping.clone());
        async move {
            Ok::<_, Infallible>(tokio::select! {
                biased;
                ran = handler(task.args) => Ended::Ran(ran),
                () = stopping.reached(Phase::Interrupt) => Ended::Interrupted,
            })
        }
    });
    let worker = WorkerBuilder::new(name)
        .backend(PumpBackend { buffer, flow, finish })
        .parallelize(spawn)
        .layer(CatchPanicLayer::with_panic_handler(panicked as fn(&Box<dyn Any + Send>) -> Panicked))
        .build(service);
    // Boxed here: the compiler cannot prove the bare stream of such a stack of layers to be `Send` inside an async block.
    let mut events: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(worker.stream());
    // Invariant: our backend yields no errors and the finish layer swallows the handlers', so this ends with the buffer.
    async move { while events.next().await.is_some() {} }
}

#[expect(clippy::disallowed_methods, reason = "apalis awaits the handle")]
fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(future)
}

/// Characters of a panic's message that are kept.
const MAX_PANIC: usize = 500;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Panicked(String);

fn panicked(panic: &Box<dyn Any + Send>) -> Panicked {
    Panicked(said_in_panic(&**panic))
}

/// What a panic said, within bounds.
#[must_use]
pub fn said_in_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("with something that is no text").chars().take(MAX_PANIC).collect()
}

struct PumpBackend<R> {
    buffer: Arc<Buffer>,
    flow: Arc<Flow>,
    finish: Finish<R>,
}

impl<R> Backend for PumpBackend<R> {
    type Task = Task<Arc<Claimed>>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        // The slots are counted here and not by a layer of apalis: their number may change while we run.
        ready!(self.flow.poll_slot(cx));
        self.buffer.poll_next(cx).map(|job| {
            if job.is_none() {
                // An exhausted backend alone does not end an apalis worker: it waits to be told. A second telling is
                // an error that says no more than that.
                let _ = worker.stop();
            }
            job.map(|job| {
                job.advance(Stage::Running);
                Ok(Task::new(job))
            })
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl<R> BackendConfig for PumpBackend<R> {
    type Args = Arc<Claimed>;
    type Id = ();
    type Kind = Ephemeral;
    type Config = ();
    type Layer = FinishLayer<R>;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> FinishLayer<R> {
        FinishLayer(Arc::clone(&self.finish))
    }
}

/// Outermost: sees every end of every job, panics and aborted tasks included, and sends it on to be recorded.
struct FinishLayer<R>(Finish<R>);

impl<S, R> Layer<S> for FinishLayer<R> {
    type Service = FinishService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        FinishService { inner, finish: Arc::clone(&self.0) }
    }
}

struct FinishService<S, R> {
    inner: S,
    finish: Finish<R>,
}

impl<S, R: Send + 'static> Service<Task<Arc<Claimed>>> for FinishService<S, R>
where
    S: Service<Task<Arc<Claimed>>, Response = Ended<R>>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxDynError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Arc<Claimed>>) -> Self::Future {
        let (job, finish) = (Arc::clone(&task.args), Arc::clone(&self.finish));
        let run = self.inner.call(task);
        Box::pin(async move {
            let ended = run.await.unwrap_or_else(|error| Ended::Panicked(error.into().to_string()));
            job.advance(Stage::Unrecorded);
            finish(job, ended);
            Ok(())
        })
    }
}
