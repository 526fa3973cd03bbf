//! What every stand-in of calendars and meetings is: a provider that has all it knows in memory, behind a desk.

use crate::desk::{Api, Desk, Refusal, Said};
use crate::http::Request;
use crate::query::take_apart;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) type Query = HashMap<String, String>;

/// A provider, as far as it is played.
pub trait Provider: Default + Send + 'static {
    /// Where its API begins.
    const BASE: &'static str;

    /// Answer a call of the account `who`.
    fn answer(&mut self, who: &str, call: &Call<'_>) -> Said;

    /// Say no in its words.
    fn refuse(refusal: Refusal) -> Said;

    /// Ids that it makes up go on from there.
    fn count_from(&mut self, number: u32);
}

/// A request taken apart.
#[derive(Debug)]
pub struct Call<'a> {
    pub(crate) request: &'a Request,
    pieces: Vec<String>,
    pub(crate) query: Query,
    /// Null: it has none, or it is no JSON.
    pub(crate) body: Value,
}

impl<'a> Call<'a> {
    fn of(request: &'a Request) -> Self {
        let (pieces, query) = take_apart(&request.path);
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        Self { request, pieces, query, body }
    }

    /// The method, and the pieces of the path.
    pub(crate) fn route(&self) -> (&str, Vec<&str>) {
        (&self.request.method, self.pieces.iter().map(String::as_str).collect())
    }
}

/// A stand-in that runs until it is stopped or dropped.
pub struct Stand<P> {
    desk: Desk,
    provider: Arc<Mutex<P>>,
}

impl<P> fmt::Debug for Stand<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stand").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl<P: Provider> Api for Mutex<P> {
    fn answer(&self, who: &str, request: &Request) -> Said {
        let call = Call::of(request);
        lock(self).answer(who, &call)
    }

    fn refuse(&self, refusal: Refusal) -> Said {
        P::refuse(refusal)
    }
}

fn lock<P>(provider: &Mutex<P>) -> MutexGuard<'_, P> {
    provider.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Provider> Stand<P> {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let provider = Arc::<Mutex<P>>::default();
        let desk = Desk::open(Arc::clone(&provider) as Arc<dyn Api>).await?;
        Ok(Self { desk, provider })
    }

    /// Whose tokens are taken, what goes wrong, and what was asked.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What `api_url` is set to.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.desk.url(P::BASE)
    }

    /// Ids that it makes up go on from there: somebody may remember those that a stand-in before this one has made.
    pub fn count_from(&self, number: u32) {
        self.provider().count_from(number);
    }

    /// Close every connection, and return when no task is left.
    pub async fn stop(self) {
        self.desk.stop().await;
    }

    pub(crate) fn provider(&self) -> MutexGuard<'_, P> {
        lock(&self.provider)
    }
}
