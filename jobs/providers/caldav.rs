//! Calendars on servers that speak CalDAV (RFC 4791): Apple's, and any other.
//!
//! Who has an account gave the server's address, so every call goes through the dialer that judges addresses. There is no
//! token: a name and a password, which stay good until their owner changes them. Resources are called by their paths.
//! The only thing that is kept between calls is the list that a round goes through, and that can be asked for again.

mod dav;
mod discovery;
mod object;
mod place;
mod round;
#[cfg(test)]
mod tests;
mod writing;
mod xml;

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use url::Url;

use super::{Answering, Calendar, CalendarWriter, Draft, EventKey, Fault, Made, Page, Window};
use crate::kit::outbound::Outbound;

use dav::Dav;
pub(crate) use dav::Login;
pub(crate) use discovery::{CalendarFound, Found};
use round::Listed;

/// What calendars a login opens.
///
/// # Errors
/// `Reconnect` if the login is refused; `Misconfigured` if nothing there is a calendar.
pub(crate) async fn discover(outbound: &Outbound, login: Login, now: DateTime<Utc>) -> Result<Found, Fault> {
    discovery::discover(&Dav::new(outbound, login, now)).await
}

/// One calendar.
#[derive(Debug)]
pub(crate) struct CalDav {
    dav: Dav,
    calendar: Url,
    /// Addresses of its owner, in lower case: the first one invites.
    owners: Vec<String>,
    /// For times that name none, where the calendar has none.
    zone: Option<Tz>,
    listed: Mutex<Option<Listed>>,
}

impl CalDav {
    /// `calendar` is as `discover` found it.
    pub(crate) fn new(
        outbound: &Outbound,
        login: Login,
        mut calendar: Url,
        owners: &[String],
        zone: Option<Tz>,
        now: DateTime<Utc>,
    ) -> Self {
        // What is in it is below it.
        if !calendar.path().ends_with('/') {
            calendar.set_path(&format!("{}/", calendar.path()));
        }
        let mut owners: Vec<String> = owners.iter().map(|owner| owner.to_lowercase()).collect();
        if owners.is_empty() && login.user.contains('@') {
            owners.push(login.user.to_lowercase());
        }
        Self { dav: Dav::new(outbound, login, now), calendar, owners, zone, listed: Mutex::default() }
    }

    fn kept(&self) -> Option<Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, listed: Option<Listed>) {
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = listed;
    }
}

impl Calendar for CalDav {
    fn changes<'a>(&'a self, at: Option<&'a str>, window: Window) -> Answering<'a, Page> {
        Box::pin(self.page(at, window))
    }
}

impl CalendarWriter for CalDav {
    fn create<'a>(&'a self, draft: &'a Draft) -> Answering<'a, Made> {
        Box::pin(self.put_new(draft))
    }

    fn update<'a>(&'a self, id: &'a str, version: Option<&'a str>, draft: &'a Draft) -> Answering<'a, Made> {
        Box::pin(self.put_changed(id, version, draft))
    }

    fn remove<'a>(&'a self, id: &'a str, tell_attendees: bool) -> Answering<'a, ()> {
        Box::pin(self.take_out(id, tell_attendees))
    }

    fn look<'a>(&'a self, id: &'a str) -> Answering<'a, Made> {
        Box::pin(async move { self.get(id).await.map(|stored| stored.made(id, true)) })
    }

    fn find<'a>(&'a self, key: &'a EventKey, _around: Window) -> Answering<'a, Option<Made>> {
        Box::pin(self.found(key))
    }
}
