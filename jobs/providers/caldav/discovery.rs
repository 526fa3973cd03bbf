//! From an address that somebody typed to the calendars behind it (RFC 6764).

use chrono_tz::Tz;
use url::Url;

use super::{
    super::{Fault, ical, recurrence::zone_told},
    dav::{Answers, Ask, Dav},
    place,
    xml::{Element, Response, Space},
};

/// Nobody has so many homes, nor calendars in them.
const MAX_HOMES: usize = 8;
const MAX_CALENDARS: usize = 1000;

const WHO_AM_I: &str = r#"<d:propfind xmlns:d="DAV:"><d:prop><d:current-user-principal/></d:prop></d:propfind>"#;
const WHERE_DO_I_LIVE: &str = r#"<d:propfind xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:prop><c:calendar-home-set/><c:calendar-user-address-set/></d:prop></d:propfind>"#;
const WHAT_IS_THERE: &str = r#"<d:propfind xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav" xmlns:cs="http://calendarserver.org/ns/"><d:prop><d:resourcetype/><d:displayname/><c:supported-calendar-component-set/><cs:getctag/><d:sync-token/><d:supported-report-set/><d:current-user-privilege-set/><c:calendar-timezone/></d:prop></d:propfind>"#;

/// What an account has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Addresses of the owner, in lower case, without `mailto:`.
    pub(crate) addresses: Vec<String>,
    pub(crate) calendars: Vec<CalendarFound>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CalendarFound {
    pub(crate) url: Url,
    pub(crate) name: Option<String>,
    /// Events can be put into it.
    pub(crate) writable: bool,
    pub(crate) zone: Option<Tz>,
    pub(super) sync: bool,
    pub(super) tag: Option<String>,
}

/// All calendars that hold events.
pub(super) async fn discover(dav: &Dav) -> Result<Found, Fault> {
    let Some((principal, at)) = principal(dav).await? else {
        // Some servers know of no principals; then the address is that of a home or of a calendar.
        return listed(dav, vec![dav.server().clone()], Vec::new()).await;
    };
    let home = person(dav, &principal, &at).await?;
    let Some(mine) = home.responses.first() else { return Err(dav.retry("says nothing of the account")) };
    let homes = mine.has.hrefs(Space::CalDav, "calendar-home-set");
    let homes: Vec<Url> = homes.iter().filter_map(|href| home.url.join(href).ok()).take(MAX_HOMES).collect();
    if homes.is_empty() {
        return Err(Fault::Misconfigured { why: format!("{} has no calendars for this account", dav.who()) });
    }
    let addresses = addresses_of(dav, mine);
    listed(dav, homes, addresses).await
}

/// What is said of the person that an account is of.
async fn person(dav: &Dav, principal: &str, at: &Url) -> Result<Answers, Fault> {
    let url = at.join(principal).map_err(|_| dav.retry("names a principal that is no URL"))?;
    dav.answers(Ask::xml("PROPFIND", &url, "0", WHERE_DO_I_LIVE.to_owned())).await
}

/// In lower case, without `mailto:`.
fn addresses_of(dav: &Dav, mine: &Response) -> Vec<String> {
    let all = mine.has.hrefs(Space::CalDav, "calendar-user-address-set").into_iter().chain([dav.user().to_owned()]);
    let plain = all.map(|address| address.to_lowercase());
    let mut addresses: Vec<String> =
        plain.map(|address| address.strip_prefix("mailto:").unwrap_or(&address).to_owned()).collect();
    // Whoever invites has an address that mail gets to.
    addresses.retain(|address| address.contains('@') || address.contains(':'));
    addresses.sort_by_key(|address| (!address.contains('@'), address.clone()));
    addresses.dedup();
    addresses
}

/// Addresses of the owner, as far as the server says them.
pub(super) async fn addresses(dav: &Dav) -> Result<Vec<String>, Fault> {
    let Some((principal, at)) = principal(dav).await? else { return Ok(Vec::new()) };
    let said = person(dav, &principal, &at).await?;
    Ok(said.responses.first().map(|mine| addresses_of(dav, mine)).unwrap_or_default())
}

/// Who the account is, where that is said: at the address, at the well-known place, or at the root.
async fn principal(dav: &Dav) -> Result<Option<(String, Url)>, Fault> {
    let server = dav.server();
    let mut places = vec![server.clone()];
    places.extend(["/.well-known/caldav", "/"].iter().filter_map(|path| server.join(path).ok()));
    if server.path() == "/" {
        // What is well known comes first, where nothing else was given.
        places = places.split_off(1);
    }
    let mut last = None;
    for place in places {
        match dav.answers(Ask::xml("PROPFIND", &place, "0", WHO_AM_I.to_owned())).await {
            Ok(Answers { responses, url, .. }) => {
                let hrefs =
                    responses.iter().flat_map(|response| response.has.hrefs(Space::Dav, "current-user-principal"));
                if let Some(href) = hrefs.into_iter().next() {
                    return Ok(Some((href, url)));
                }
                let refused = |response: &Response| response.has.holds(Space::Dav, "unauthenticated");
                if responses.iter().any(refused) {
                    let why = format!("{} does not know the login", dav.who());
                    return Err(Fault::Reconnect { why });
                }
                last = None;
            }
            Err(fault @ (Fault::Reconnect { .. } | Fault::Limited { .. } | Fault::Misconfigured { .. })) => {
                return Err(fault);
            }
            // Not every server has every place.
            Err(fault) => last = Some(fault),
        }
    }
    last.map_or(Ok(None), Err)
}

async fn listed(dav: &Dav, homes: Vec<Url>, addresses: Vec<String>) -> Result<Found, Fault> {
    let mut calendars: Vec<CalendarFound> = Vec::new();
    for home in homes {
        let there = dav.answers(Ask::xml("PROPFIND", &home, "1", WHAT_IS_THERE.to_owned())).await?;
        let found = there.responses.iter().filter_map(|response| calendar(&there.url, response));
        calendars.extend(found.take(MAX_CALENDARS));
    }
    if calendars.is_empty() {
        return Err(Fault::Misconfigured { why: format!("{} has no calendar for events", dav.who()) });
    }
    calendars.sort_by(|one, other| one.url.as_str().cmp(other.url.as_str()));
    calendars.dedup_by(|one, other| one.url == other.url);
    Ok(Found { addresses, calendars })
}

/// A calendar as it is now.
pub(super) async fn look(dav: &Dav, url: &Url) -> Result<CalendarFound, Fault> {
    let there = dav.answers(Ask::xml("PROPFIND", url, "0", WHAT_IS_THERE.to_owned())).await?;
    let found = there.responses.iter().find_map(|response| calendar(&there.url, response));
    found.ok_or_else(|| Fault::Gone { why: format!("{} has no calendar for events there any more", dav.who()) })
}

/// Nothing, if it is something else or holds no events.
fn calendar(base: &Url, response: &Response) -> Option<CalendarFound> {
    let has = &response.has;
    let kind = has.child(Space::Dav, "resourcetype")?;
    if !kind.has(Space::Dav, "collection") || !kind.has(Space::CalDav, "calendar") {
        return None;
    }
    let components = has.child(Space::CalDav, "supported-calendar-component-set");
    if components.is_some_and(|set| !set.children.is_empty() && !set.has_component("VEVENT")) {
        return None;
    }
    let may = |set: &Element| ["write", "write-content", "bind", "all"].iter().any(|name| set.holds(Space::Dav, name));
    // The host that answered, or the one that it names.
    let mut url = base.join(response.href.trim()).ok()?;
    url.set_path(&place::path(base, &response.href)?);
    Some(CalendarFound {
        url,
        name: has.said(Space::Dav, "displayname").map(str::to_owned),
        writable: has.child(Space::Dav, "current-user-privilege-set").is_none_or(may),
        zone: has.said(Space::CalDav, "calendar-timezone").and_then(zone),
        sync: has.child(Space::Dav, "supported-report-set").is_some_and(|set| set.holds(Space::Dav, "sync-collection")),
        tag: has.said(Space::CalendarServer, "getctag").map(str::to_owned),
    })
}

/// The zone of a calendar, which is told as an object with nothing else in it.
fn zone(object: &str) -> Option<Tz> {
    zone_told(&ical::parse(object.as_bytes()).ok()?)
}
