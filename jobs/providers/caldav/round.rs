//! A round over a calendar: which resources have changed, their objects, and what these say.
//!
//! Where a server can tell what changed (RFC 6578), it is asked for that. Where not, the tag of the calendar says whether
//! anything did, and what it lists is compared with what it listed before; the cursor carries that, up to a limit beyond
//! which every change begins a full round.
//!
//! A page is as many resources as one request gets the objects of. The list that a round goes through is kept between its
//! pages; if it was lost, it is asked for again, and the round goes on behind the last resource that was handled. What
//! changed meanwhile is in the next round as well, because the round ends with what the first list said.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        Change, Fault, Next, Page, Window, ical,
        instances::{self, Source},
    },
    CalDav, Here,
    dav::Ask,
    discovery, place,
    xml::{self, Space},
};

/// Objects that are asked for at once: as servers like it best.
const PAGE: usize = 50;
/// Resources that a cursor carries, some fifty bytes each.
const MAX_CARRIED: usize = 2000;

const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";

/// Where a round is, or where the last one ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The calendar's zone, which is asked for in full rounds only.
    zone: Option<String>,
    /// Its owner's addresses, which are asked for then as well.
    #[serde(default)]
    owners: Vec<String>,
    #[serde(flatten)]
    stand: Stand,
    /// The resource that was handled last; none between rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
enum Stand {
    /// The changes since a token; of a round that goes on, with the token that it ends with.
    Token { since: Option<String>, until: Option<String> },
    /// What is listed, compared with what was; by its tag, if it has one.
    List { tag: Option<String>, known: Option<Known> },
}

/// Of each resource that was listed, a digest of its version.
type Known = HashMap<String, u32>;

/// A version that is never listed: the resource is asked for again.
const UNKNOWN: u32 = 0;

/// What a round goes through, in order of the paths.
#[derive(Debug)]
pub(super) struct Listed {
    /// Which list it is: of the first cursor of the round.
    stand: String,
    /// Each with whether it is there.
    items: Vec<(String, bool)>,
    end: End,
}

#[derive(Debug, Clone)]
enum End {
    Token { token: String, more: bool },
    Known(Option<Known>),
}

impl CalDav {
    pub(super) async fn page(&self, at: Option<&str>, window: Window) -> Result<Page, Fault> {
        let here = self.here().await?;
        let cursor = match at {
            None => self.begin(here).await?,
            Some(text) => serde_json::from_str(text)
                .map_err(|_| Fault::Expired { why: format!("{}: the cursor is of another kind", self.dav.who()) })?,
        };
        if let (Stand::List { tag: Some(tag), .. }, Some(_), None) = (&cursor.stand, at, &cursor.after) {
            let now = discovery::look(&self.dav, &here.url).await?.tag;
            if now.as_ref() == Some(tag) {
                return Ok(Page { changes: Vec::new(), zone: cursor.zone, next: Next::End(at.map(str::to_owned)) });
            }
            return self.go_on(here, Cursor { stand: self.compared(cursor.stand, now)?, ..cursor }, window).await;
        }
        self.go_on(here, cursor, window).await
    }

    /// With the tag of now, which was asked for before the list: what changes in between is in the next round as well.
    fn compared(&self, stand: Stand, now: Option<String>) -> Result<Stand, Fault> {
        match stand {
            Stand::List { known: Some(known), .. } => Ok(Stand::List { tag: now, known: Some(known) }),
            Stand::List { known: None, .. } | Stand::Token { .. } => Err(Fault::Expired {
                why: format!("{} cannot say what changed in so large a calendar", self.dav.who()),
            }),
        }
    }

    async fn begin(&self, here: &Here) -> Result<Cursor, Fault> {
        let calendar = discovery::look(&self.dav, &here.url).await?;
        let stand = if calendar.sync {
            Stand::Token { since: None, until: None }
        } else {
            Stand::List { tag: calendar.tag, known: Some(Known::new()) }
        };
        let owners = self.owners(here).await?.to_vec();
        Ok(Cursor { zone: calendar.zone.map(|zone| zone.name().to_owned()), owners, stand, after: None })
    }

    async fn go_on(&self, here: &Here, mut cursor: Cursor, window: Window) -> Result<Page, Fault> {
        let mut listed = self.listed(here, &mut cursor, window).await?;
        let begin = cursor.after.as_ref().map_or(0, |after| listed.items.partition_point(|(path, _)| path <= after));
        let rest = &listed.items[begin..];
        let there = rest.iter().enumerate().filter(|(_, (_, is_there))| *is_there);
        let end = there.map(|(at, _)| at).nth(PAGE).unwrap_or(rest.len());
        let page = &rest[..end];
        let paths: Vec<&str> = page.iter().filter(|(_, there)| *there).map(|(path, _)| path.as_str()).collect();
        let zone = cursor.zone.as_deref().and_then(|name| name.parse().ok()).or(self.zone);
        let mut changes: Vec<Change> =
            page.iter().filter(|(_, there)| !*there).map(|(path, _)| Change::Gone(path.clone())).collect();
        let source = Source { id: "", version: None, zone: zone.unwrap_or(Tz::UTC), owners: &cursor.owners, window };
        changes.extend(self.objects(here, &paths, &source).await?);
        let next = if end < rest.len() {
            let after = page.last().map(|(path, _)| path.clone());
            let next = self.text(&Cursor { after, ..cursor.clone() })?;
            listed.stand = key(&cursor);
            self.keep(Some(listed));
            Next::Page(next)
        } else {
            self.keep(None);
            self.end(cursor.clone(), listed.end)?
        };
        Ok(Page { changes, zone: zone.map(|zone| zone.name().to_owned()), next })
    }

    /// Where a list is at its end: either the round is, or there is more than the server says at once.
    fn end(&self, cursor: Cursor, end: End) -> Result<Next, Fault> {
        let Cursor { zone, owners, .. } = cursor.clone();
        let ended = |stand| self.text(&Cursor { zone, owners, stand, after: None });
        Ok(match (cursor.stand, end) {
            (Stand::Token { until, .. }, End::Token { token, more }) => {
                let stand = Stand::Token { since: Some(until.unwrap_or(token)), until: None };
                let text = ended(stand)?;
                if more { Next::Page(text) } else { Next::End(Some(text)) }
            }
            (Stand::List { tag: None, .. }, End::Known(None)) => Next::End(None),
            (Stand::List { tag, .. }, End::Known(known)) => Next::End(Some(ended(Stand::List { tag, known })?)),
            (Stand::Token { .. }, End::Known(_)) | (Stand::List { .. }, End::Token { .. }) => {
                return Err(self.dav.retry("was asked for two things at once"));
            }
        })
    }

    fn text(&self, cursor: &Cursor) -> Result<String, Fault> {
        serde_json::to_string(cursor).map_err(|_| self.dav.retry("gives what makes no cursor"))
    }

    /// The list of the round: as it was kept, or else asked for again.
    async fn listed(&self, here: &Here, cursor: &mut Cursor, window: Window) -> Result<Listed, Fault> {
        if let Some(kept) = self.kept().filter(|kept| cursor.after.is_some() && kept.stand == key(cursor)) {
            return Ok(kept);
        }
        match &mut cursor.stand {
            Stand::Token { since, until } => {
                let listed = self.changed(here, since.as_deref()).await?;
                let End::Token { token, more } = &listed.end else { return Ok(listed) };
                // Part of the changes is the same part only under the same token.
                if *more && until.as_ref().is_some_and(|until| until != token) {
                    (*until, cursor.after) = (None, None);
                }
                until.get_or_insert_with(|| token.clone());
                Ok(listed)
            }
            Stand::List { known, .. } => {
                let known = known.as_ref().ok_or_else(|| Fault::Expired { why: self.dav.who() })?;
                self.all(here, known, cursor.after.as_deref(), window).await
            }
        }
    }

    /// What changed since a token, or everything.
    async fn changed(&self, here: &Here, since: Option<&str>) -> Result<Listed, Fault> {
        let since = xml::escape(since.unwrap_or_default());
        let body = format!(
            r#"<d:sync-collection xmlns:d="DAV:"><d:sync-token>{since}</d:sync-token><d:sync-level>1</d:sync-level><d:prop><d:getetag/></d:prop></d:sync-collection>"#
        );
        let reply = self.dav.ask(Ask::xml("REPORT", &here.url, "0", body)).await?;
        let refuses = |error: &xml::Element| error.holds(Space::Dav, "valid-sync-token");
        let is_old = matches!(reply.status.as_u16(), 409 | 410 | 412 | 507);
        if !since.is_empty()
            && (is_old
                || (reply.status == StatusCode::FORBIDDEN && reply.condition().is_some_and(|error| refuses(&error))))
        {
            return Err(Fault::Expired { why: format!("{} takes the sync token no more", self.dav.who()) });
        }
        let answers = self.dav.read(&reply)?;
        let token = answers.rest.said(Space::Dav, "sync-token").ok_or_else(|| self.dav.retry("gives no sync token"))?;
        let (mut items, mut more) = (Vec::new(), false);
        for response in &answers.responses {
            let Some(path) = place::path(&here.url, &response.href) else { continue };
            match (is_resource(here, &path), response.status) {
                (false, Some(507)) => more = true,
                (true, Some(404 | 410)) => items.push((path, false)),
                (true, _) => items.push((path, true)),
                (false, _) => {}
            }
        }
        items.sort();
        // What is said to be there and to be gone is looked for.
        items.reverse();
        items.dedup_by(|one, other| one.0 == other.0);
        items.reverse();
        if more && items.is_empty() {
            return Err(self.dav.retry("has more changes than it can say, and says none"));
        }
        Ok(Listed { stand: String::new(), items, end: End::Token { token: token.to_owned(), more } })
    }

    /// What is in the window, compared with what was.
    async fn all(&self, here: &Here, known: &Known, after: Option<&str>, window: Window) -> Result<Listed, Fault> {
        let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y%m%dT%H%M%SZ");
        let (from, to) = (time(window.from), time(window.to));
        let body = format!(
            r#"<c:calendar-query xmlns:d="DAV:" xmlns:c="{CALDAV}"><d:prop><d:getetag/></d:prop><c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT"><c:time-range start="{from}" end="{to}"/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"#
        );
        let answers = self.dav.answers(Ask::xml("REPORT", &here.url, "1", body)).await?;
        let (mut now, mut items) = (Known::new(), Vec::new());
        for response in &answers.responses {
            if response.status == Some(507) {
                return Err(self.dav.retry("has more events than it lists at once"));
            }
            let Some(path) = place::path(&here.url, &response.href).filter(|path| is_resource(here, path)) else {
                continue;
            };
            let mut version = response.has.said(Space::Dav, "getetag").map_or(UNKNOWN, digest);
            if version == UNKNOWN || known.get(&path) != Some(&version) {
                // Handled before the list was lost, in a version that nobody remembers.
                if after.is_some_and(|after| path.as_str() <= after) {
                    version = UNKNOWN;
                }
                items.push((path.clone(), true));
            }
            now.insert(path, version);
        }
        items.extend(known.keys().filter(|path| !now.contains_key(*path)).map(|path| (path.clone(), false)));
        items.sort();
        let carried = (now.len() <= MAX_CARRIED).then_some(now);
        Ok(Listed { stand: String::new(), items, end: End::Known(carried) })
    }

    /// What the objects at these paths say.
    async fn objects(&self, here: &Here, paths: &[&str], source: &Source<'_>) -> Result<Vec<Change>, Fault> {
        let (mut changes, mut missed) = (Vec::with_capacity(paths.len()), HashSet::new());
        let mut chunks: Vec<&[&str]> = vec![paths];
        while let Some(chunk) = chunks.pop().filter(|chunk| !chunk.is_empty()) {
            let reply = self.dav.ask(Ask::xml("REPORT", &here.url, "1", multiget(chunk))).await?;
            if reply.end == crate::kit::outbound::End::Cut && reply.status == StatusCode::MULTI_STATUS {
                match chunk {
                    [one] => changes.push(odd(one, "it is larger than 16 MiB")),
                    more => {
                        let (first, last) = more.split_at(more.len() / 2);
                        chunks.extend([last, first]);
                    }
                }
                continue;
            }
            let mut found = HashMap::new();
            for response in self.dav.read(&reply)?.responses {
                if let Some(path) = place::path(&here.url, &response.href) {
                    found.insert(path, response);
                }
            }
            for path in chunk {
                match found.remove(*path) {
                    // It may have been too much at once.
                    None if missed.insert(*path) => chunks.push(std::slice::from_ref(path)),
                    Some(response) if passes(&response) => {
                        return Err(self.dav.retry("has no time for one of its events"));
                    }
                    response => changes.push(change(path, response, source)),
                }
            }
        }
        Ok(changes)
    }
}

/// Whether it is a member of the calendar, and not the calendar itself or a folder in it.
fn is_resource(here: &Here, path: &str) -> bool {
    !path.ends_with('/') && place::path(&here.url, "").is_none_or(|own| own.trim_end_matches('/') != path)
}

/// Whether it may be told another time: it is locked, there is a limit, or the server has trouble.
fn passes(response: &xml::Response) -> bool {
    response.status.or(response.without).is_some_and(|status| matches!(status, 423 | 429 | 500..))
}

/// What becomes of one resource.
fn change(path: &str, response: Option<xml::Response>, source: &Source<'_>) -> Change {
    let Some(response) = response else { return odd(path, "the server does not say what it is") };
    match response.status {
        Some(404 | 410) => return Change::Gone(path.to_owned()),
        Some(status) if !(200..300).contains(&status) => {
            return odd(path, &format!("the server answers {status} for it"));
        }
        _ => {}
    }
    let Some(data) = response.has.said(Space::CalDav, "calendar-data") else {
        return odd(path, "the server gives it without its data");
    };
    let version = response.has.said(Space::Dav, "getetag");
    let source = Source { id: path, version, ..*source };
    let events = ical::parse(data.as_bytes()).map_err(|fault| fault.to_string());
    match events.and_then(|object| instances::events(&source, &object)) {
        Ok(events) => Change::Series { id: path.to_owned(), events },
        Err(why) => odd(path, &why),
    }
}

fn odd(path: &str, why: &str) -> Change {
    Change::Odd { id: Some(path.to_owned()), why: why.to_owned() }
}

fn multiget(paths: &[&str]) -> String {
    let mut hrefs = String::new();
    for path in paths {
        hrefs.extend(["<d:href>", &xml::escape(path), "</d:href>"]);
    }
    format!(
        r#"<c:calendar-multiget xmlns:d="DAV:" xmlns:c="{CALDAV}"><d:prop><d:getetag/><c:calendar-data/></d:prop>{hrefs}</c:calendar-multiget>"#
    )
}

/// Which list a cursor goes through.
fn key(cursor: &Cursor) -> String {
    match &cursor.stand {
        Stand::Token { since, until } => format!("token {since:?} {until:?}"),
        Stand::List { tag, known } => format!("list {tag:?} {}", known.as_ref().map_or(0, HashMap::len)),
    }
}

/// Four bytes are enough to tell one version of a resource from the next.
fn digest(version: &str) -> u32 {
    let digest = Sha256::digest(version.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]).max(1)
}
