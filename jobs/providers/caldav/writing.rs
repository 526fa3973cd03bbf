//! Events that we write. A resource is called by its event's key, so the same event is never put twice; one that is there
//! is never written over unseen.

use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, IF_NONE_MATCH},
};
use url::Url;

use super::{
    super::{Draft, EventKey, EventMeeting, Fault, Made, ical},
    CalDav, Here,
    dav::{Ask, CALENDAR, Reply},
    object, place,
};
use crate::kit::outbound::End;

/// A resource as it stands.
pub(super) struct Stored {
    version: Option<String>,
    object: ical::Component,
}

impl Stored {
    pub(super) fn made(&self, id: &str) -> Made {
        made(id, self.version.clone())
    }
}

/// A server makes no meetings.
fn made(id: &str, version: Option<String>) -> Made {
    Made { id: id.to_owned(), version, meeting: EventMeeting::None, differs: false }
}

fn version(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned)
}

fn url(here: &Here, id: &str) -> Url {
    let mut url = here.url.clone();
    url.set_path(id);
    url
}

/// Where the event of a key is put.
fn id(here: &Here, key: &EventKey) -> String {
    let folder = place::path(&here.url, "").unwrap_or_else(|| here.url.path().to_owned());
    format!("{folder}{}.ics", place::encode(key.as_str().as_bytes()))
}

impl CalDav {
    pub(super) async fn put_new(&self, draft: &Draft) -> Result<Made, Fault> {
        let here = self.here().await?;
        let (id, owners) = (id(here, &draft.key), self.inviting(here, draft).await?);
        let body = object::new(draft, owners, self.dav.now).write();
        let ask = Ask::new(Method::PUT, &url(here, &id)).header(IF_NONE_MATCH, "*");
        let reply = self.dav.ask(ask.header(CONTENT_TYPE, CALENDAR).body(body)).await?;
        match reply.status {
            status if status.is_success() => self.written(&id, &reply).await,
            StatusCode::PRECONDITION_FAILED => {
                let stored = self.get(&id).await?;
                let differs = !object::is_as(&stored.object, draft, owners);
                Ok(Made { differs, ..stored.made(&id) })
            }
            _ => Err(self.dav.fault(&reply)),
        }
    }

    /// Who invites, if anybody is invited.
    async fn inviting<'a>(&'a self, here: &'a Here, draft: &Draft) -> Result<&'a [String], Fault> {
        if draft.attendees.is_empty() { Ok(&[]) } else { self.owners(here).await }
    }

    /// A server that stores something else than it was given names no version of it.
    async fn written(&self, id: &str, reply: &Reply) -> Result<Made, Fault> {
        match version(&reply.headers) {
            Some(version) => Ok(made(id, Some(version))),
            None => Ok(self.get(id).await?.made(id)),
        }
    }

    pub(super) async fn put_changed(&self, id: &str, known: Option<&str>, draft: &Draft) -> Result<Made, Fault> {
        let here = self.here().await?;
        let owners = self.inviting(here, draft).await?;
        let mut stored = self.get(id).await?;
        if known.is_some() && known != stored.version.as_deref() {
            return Err(Fault::Conflict { why: format!("{} has another version of the event", self.dav.who()) });
        }
        // What is as it should be is not written again, nor sent to anybody.
        if object::is_as(&stored.object, draft, owners) {
            return Ok(stored.made(id));
        }
        object::change(&mut stored.object, draft, owners, self.dav.now)
            .ok_or_else(|| Fault::Gone { why: format!("{} has no event any more in what was one", self.dav.who()) })?;
        // Without a version nothing tells that it was changed meanwhile.
        let version = stored.version.ok_or_else(|| self.dav.retry("gives no version of the event"))?;
        let ask = Ask::new(Method::PUT, &url(here, id)).header(IF_MATCH, version).header(CONTENT_TYPE, CALENDAR);
        let reply = self.dav.ask(ask.body(stored.object.write())).await?;
        if reply.status.is_success() { self.written(id, &reply).await } else { Err(self.dav.fault(&reply)) }
    }

    /// Whether attendees are told was said when they were invited: by the server, or by nobody.
    pub(super) async fn take_out(&self, id: &str, _tell_attendees: bool) -> Result<(), Fault> {
        let reply = self.dav.ask(Ask::new(Method::DELETE, &url(self.here().await?, id))).await?;
        match reply.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(self.dav.fault(&reply)),
        }
    }

    pub(super) async fn found(&self, key: &EventKey) -> Result<Option<Made>, Fault> {
        let id = id(self.here().await?, key);
        match self.get(&id).await {
            Ok(stored) => Ok(Some(stored.made(&id))),
            Err(Fault::Gone { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn get(&self, id: &str) -> Result<Stored, Fault> {
        let reply = self.dav.ask(Ask::new(Method::GET, &url(self.here().await?, id))).await?;
        if !reply.status.is_success() {
            return Err(self.dav.fault(&reply));
        }
        if reply.end != End::Whole {
            return Err(self.dav.retry("does not give all of an event"));
        }
        let object = ical::parse(&reply.body).map_err(|fault| Fault::Refused {
            why: format!("{} gives an event that is none: {fault}", self.dav.who()),
        })?;
        Ok(Stored { version: version(&reply.headers), object })
    }
}
