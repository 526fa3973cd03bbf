//! Calendars on servers that speak `CalDAV` (RFC 4791): Apple's, and any other.
//!
//! Who has an account gave the server's address, so every call goes through the dialer that judges addresses. There is no
//! token: a name and a password, which stay good until their owner changes them. Resources are called by their paths.
//! What is kept between calls can be asked for again: which calendar is meant, and the list that a round goes through.

mod dav;
mod discovery;
mod object;
mod place;
mod round;
#[cfg(test)]
mod test_radicale;
#[cfg(test)]
mod tests;
mod writing;
mod xml;

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use tokio::sync::OnceCell;
use url::Url;

use super::{Answering, Calendar, CalendarWriter, Draft, EventKey, Fault, Made, Page, Window};
use crate::kit::outbound::Outbound;

pub(crate) use dav::Account;
use dav::Dav;
pub(crate) use discovery::{CalendarFound, Found};
use round::Listed;

/// What calendars a login opens.
///
/// # Errors
/// `Reconnect` if the login is refused; `Misconfigured` if nothing there is a calendar.
#[cfg(test)]
pub(crate) async fn discover(outbound: &Outbound, account: Account, now: DateTime<Utc>) -> Result<Found, Fault> {
    discovery::discover(&Dav::new(outbound, account, now)).await
}

/// One calendar.
#[derive(Debug)]
pub(crate) struct CalDav {
    dav: Dav,
    /// As it was given, if it was.
    calendar: Option<String>,
    /// For times that name none, and for days, where the calendar names none.
    zone: Option<Tz>,
    here: OnceCell<Here>,
    owners: OnceCell<Vec<String>>,
    listed: Mutex<Option<Listed>>,
}

/// Where the calendar is, and whose.
#[derive(Debug)]
struct Here {
    url: Url,
    /// Addresses in lower case: the first one invites.
    owners: Vec<String>,
}

impl CalDav {
    /// `calendar` is a URL as `discover` found it, or a path on the server; with none, it is looked for: the one at
    /// the server's address, or else the first one that can be written.
    pub(crate) fn new(
        outbound: &Outbound,
        account: Account,
        calendar: Option<&str>,
        zone: Option<Tz>,
        now: DateTime<Utc>,
    ) -> Self {
        let (calendar, dav) = (calendar.map(str::to_owned), Dav::new(outbound, account, now));
        Self { dav, calendar, zone, here: OnceCell::new(), owners: OnceCell::new(), listed: Mutex::default() }
    }

    async fn here(&self) -> Result<&Here, Fault> {
        self.here.get_or_try_init(|| self.find_it()).await
    }

    async fn find_it(&self) -> Result<Here, Fault> {
        let (mut url, mut owners) = if let Some(given) = &self.calendar {
            let url = self.dav.server().join(given).map_err(|_| Fault::Misconfigured {
                why: format!("the calendar at {} is given by what is no URL", self.dav.who()),
            })?;
            (url, Vec::new())
        } else {
            let Found { addresses, mut calendars } = discovery::discover(&self.dav).await?;
            // The one that its owner gave the address of, if it is one.
            let given = place::path(self.dav.server(), "").unwrap_or_default();
            let is_it =
                |calendar: &CalendarFound| calendar.url.path().trim_end_matches('/') == given.trim_end_matches('/');
            let main = calendars.iter().position(is_it);
            let main = main.or_else(|| calendars.iter().position(|calendar| calendar.writable)).unwrap_or(0);
            (calendars.swap_remove(main).url, addresses)
        };
        // What is in it is below it.
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let user = self.dav.user().to_lowercase();
        if user.contains('@') {
            owners.retain(|owner| *owner != user);
            owners.insert(0, user);
        }
        Ok(Here { url, owners })
    }

    /// Whose calendar it is, for whoever has to know: the server is asked if the login does not tell.
    async fn owners<'a>(&'a self, here: &'a Here) -> Result<&'a [String], Fault> {
        if !here.owners.is_empty() {
            return Ok(&here.owners);
        }
        self.owners.get_or_try_init(|| discovery::addresses(&self.dav)).await.map(Vec::as_slice)
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

    fn which(&self) -> Option<String> {
        let is_given = self.calendar.is_some();
        self.here.get().filter(|_| !is_given).map(|here| here.url.to_string())
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
        Box::pin(async move { self.get(id).await.map(|stored| stored.made(id)) })
    }

    fn find<'a>(&'a self, key: &'a EventKey, _around: Window) -> Answering<'a, Option<Made>> {
        Box::pin(self.found(key))
    }
}
