//! Every provider, once: what it is called, what it can do, how it is opened, and what it allows.
//!
//! To add one: write its client, and its entry here. `docs/providers.md` shows the table, and a test compares the two.

use std::{collections::BTreeMap, fmt, time::Duration};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use liaison_queue::Limit;
use liaison_store::IntegrationKind;
use url::Url;

use super::{
    Calendar, CalendarWriter, Fault, Meetings, Microsoft, Session,
    caldav::{self, CalDav},
    event_meeting::EventMeetings,
    google::Google,
    teams::Teams,
    webex::Webex,
    zoom::Zoom,
};
use crate::kit::{Gate, Secret, outbound::Outbound};

/// Who makes a meeting, if anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeBy {
    Nobody,
    /// It comes with an event of the calendar, and not without.
    Event,
    /// It stands by itself.
    Provider,
}

/// What is counted for a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Calls,
    /// Meetings that are created or changed.
    Meetings,
}

/// For whom it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Per {
    /// The account that is connected: a user, a mailbox.
    Account,
    /// All accounts that we serve there.
    Client,
}

/// One limit that the provider has, or that we keep to by default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) what: What,
    pub(crate) per: Per,
    pub(crate) limit: Limit,
}

impl Bound {
    const fn calls(per: Per, limit: Limit) -> Self {
        Self { what: What::Calls, per, limit }
    }

    const fn meetings(limit: Limit) -> Self {
        Self { what: What::Meetings, per: Per::Account, limit }
    }
}

/// How a client of an account says who it is.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    Token(Secret),
    Password { user: String, password: Secret },
}

/// What a client is made of.
#[derive(Debug, Clone)]
pub(crate) struct Opening<'a> {
    pub(crate) login: Login,
    /// Which of the account's calendars; none: its main one.
    pub(crate) calendar: Option<&'a str>,
    /// Where the calendar is, if its owner said so.
    pub(crate) server: Option<&'a str>,
    /// In which zone it is, if we know: days are days there, and so are times of no zone.
    pub(crate) zone: Option<Tz>,
    pub(crate) now: DateTime<Utc>,
    /// What each request passes.
    pub(crate) gate: Gate,
}

/// How a provider's client is made: from what the account says, the way out, and the configured address.
type Open<T> = fn(&Opening<'_>, &Outbound, &str) -> Result<Box<T>, Fault>;

/// One provider.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// What accounts call it as well.
    pub(crate) aliases: &'static [&'static str],
    /// None: there is no one address; each account has its own.
    pub(crate) api_url: Option<&'static str>,
    /// None: it has no calendars to read, or to write.
    pub(crate) reads: Option<Open<dyn Calendar>>,
    pub(crate) writes: Option<Open<dyn CalendarWriter>>,
    pub(crate) meetings: MadeBy,
    /// None: it has no meetings.
    pub(crate) meets: Option<Open<dyn Meetings>>,
    /// What its owner has to consent to. A scope in brackets is needed for meetings alone.
    pub(crate) scopes: &'static [&'static str],
    pub(crate) limits: &'static [Bound],
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

const MINUTE: Duration = Duration::from_mins(1);

/// In the order of the table in `docs/providers.md`.
pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "google",
        aliases: &["google_meet"],
        api_url: Some("https://www.googleapis.com/calendar/v3"),
        reads: Some(|opening, outbound, base| Ok(Box::new(google(opening, outbound, base)?))),
        writes: Some(|opening, outbound, base| Ok(Box::new(google(opening, outbound, base)?))),
        meetings: MadeBy::Event,
        meets: Some(|opening, outbound, base| {
            Ok(Box::new(EventMeetings::new(Box::new(google(opening, outbound, base)?))))
        }),
        scopes: &["https://www.googleapis.com/auth/calendar.events"],
        // Its own: 600 a minute for each user, 10,000 for each project. Of meetings it says nothing; 1,000 a day is ours.
        limits: &[
            Bound::calls(Per::Account, Limit::bucket(600, MINUTE, 100)),
            Bound::calls(Per::Client, Limit::bucket(10_000, MINUTE, 1_000)),
            Bound::meetings(Limit::daily(1_000, Tz::UTC)),
        ],
    },
    Entry {
        name: "microsoft",
        aliases: &["outlook", "microsoft_teams"],
        api_url: Some("https://graph.microsoft.com/v1.0"),
        reads: Some(|opening, outbound, base| Ok(Box::new(microsoft(opening, outbound, base)?))),
        writes: Some(|opening, outbound, base| Ok(Box::new(microsoft(opening, outbound, base)?))),
        meetings: MadeBy::Provider,
        meets: Some(|opening, outbound, base| Ok(Box::new(Teams::new(microsoft(opening, outbound, base)?)))),
        scopes: &["offline_access", "Calendars.ReadWrite", "MailboxSettings.Read", "(OnlineMeetings.ReadWrite)"],
        // Its own: four at once and 10,000 in ten minutes for each mailbox. 500 meetings a day is ours; it allows 2,000 a
        // month.
        limits: &[
            Bound::calls(Per::Account, Limit::concurrent(4)),
            Bound::calls(Per::Account, Limit::bucket(10_000, Duration::from_mins(10), 500)),
            Bound::meetings(Limit::daily(500, Tz::UTC)),
        ],
    },
    Entry {
        name: "apple",
        aliases: &[],
        api_url: Some("https://caldav.icloud.com"),
        reads: Some(|opening, outbound, base| Ok(Box::new(caldav(opening, outbound, base)?))),
        writes: Some(|opening, outbound, base| Ok(Box::new(caldav(opening, outbound, base)?))),
        meetings: MadeBy::Nobody,
        meets: None,
        scopes: &[],
        // It says nothing of limits, and locks accounts that it finds too eager.
        limits: &[Bound::calls(Per::Account, Limit::concurrent(2))],
    },
    Entry {
        name: "caldav",
        aliases: &[],
        api_url: None,
        reads: Some(|opening, outbound, base| Ok(Box::new(caldav(opening, outbound, base)?))),
        writes: Some(|opening, outbound, base| Ok(Box::new(caldav(opening, outbound, base)?))),
        meetings: MadeBy::Nobody,
        meets: None,
        scopes: &[],
        // A server may be a small machine at somebody's home.
        limits: &[Bound::calls(Per::Account, Limit::concurrent(2))],
    },
    Entry {
        name: "zoom",
        aliases: &[],
        api_url: Some("https://api.zoom.us/v2"),
        reads: None,
        writes: None,
        meetings: MadeBy::Provider,
        meets: Some(|opening, outbound, base| Ok(Box::new(Zoom::new(session("zoom", opening, outbound, base)?)))),
        scopes: &["meeting:read", "meeting:write", "user:read"],
        // Its own: 100 creations and changes for each user and UTC day. 1,000 a day for all of an account's calls is ours.
        limits: &[
            Bound::meetings(Limit::daily(100, Tz::UTC)),
            Bound::calls(Per::Account, Limit::daily(1_000, Tz::UTC)),
            Bound::calls(Per::Account, Limit::per_second(2)),
        ],
    },
    Entry {
        name: "webex",
        aliases: &[],
        api_url: Some("https://webexapis.com/v1"),
        reads: None,
        writes: None,
        meetings: MadeBy::Provider,
        meets: Some(|opening, outbound, base| Ok(Box::new(Webex::new(session("webex", opening, outbound, base)?)))),
        scopes: &["meeting:schedules_read", "meeting:schedules_write", "spark:people_read"],
        // Its own: 100 meetings in 24 hours for each user. Of calls it gives no number; 10 a second is ours.
        limits: &[
            Bound::meetings(Limit::window(100, Duration::from_hours(24))),
            Bound::calls(Per::Account, Limit::per_second(10)),
        ],
    },
];

/// The entry of this name or alias.
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// What there is to know of an account before its owner is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountAt {
    pub kind: IntegrationKind,
    /// What its owner has to consent to. None where we have no client: whoever connects it says what it needs.
    pub scopes: Vec<String>,
    /// It is a calendar that can be synchronised.
    pub syncs: bool,
}

/// What an account at the provider that it calls `name` is for, if nobody says, and what it needs.
///
/// # Errors
/// Why there can be no such account, or none that its owner consents to.
pub fn account_at(name: &str, kind: Option<IntegrationKind>) -> Result<AccountAt, String> {
    let Some(entry) = entry(name) else {
        let kind =
            kind.ok_or_else(|| format!("whether {name} is for calendars or for video nobody knows; add --kind"))?;
        return Ok(AccountAt { kind, scopes: Vec::new(), syncs: false });
    };
    if entry.scopes.is_empty() {
        return Err(format!(
            "{name} takes a user and a password, and asks nobody for consent; `liaison integrations add`"
        ));
    }
    let is_video = entry.reads.is_none() || ["google_meet", "microsoft_teams"].contains(&name);
    let usual = if is_video { IntegrationKind::Video } else { IntegrationKind::Calendar };
    let kind = kind.unwrap_or(usual);
    let syncs = kind == IntegrationKind::Calendar;
    if (syncs && entry.reads.is_none()) || (!syncs && entry.meets.is_none()) {
        return Err(format!("{name} has no accounts for {}", kind.as_str()));
    }
    let wanted = |scope: &&str| match scope.strip_prefix('(').and_then(|scope| scope.strip_suffix(')')) {
        Some(of_meetings) => (!syncs).then(|| of_meetings.to_owned()),
        None => Some((*scope).to_owned()),
    };
    Ok(AccountAt { kind, scopes: entry.scopes.iter().filter_map(wanted).collect(), syncs })
}

/// Where a built-in provider is called, unless the configuration says otherwise.
#[must_use]
pub fn default_api_url(name: &str) -> Option<&'static str> {
    ENTRIES.iter().find(|entry| entry.name == name)?.api_url
}

/// All providers as they are configured.
#[derive(Debug, Clone)]
pub struct Registry {
    outbound: Outbound,
    bases: BTreeMap<String, String>,
}

impl Registry {
    /// `bases` are the addresses that the operator wrote, by the provider's own name.
    #[must_use]
    pub fn new(outbound: Outbound, bases: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { outbound, bases: bases.into_iter().collect() }
    }

    /// To read the calendar of an account at the provider that it calls `name`.
    pub(crate) fn calendar(&self, name: &str, opening: &Opening<'_>) -> Result<Box<dyn Calendar>, Fault> {
        let entry = known(name)?;
        let open = entry.reads.ok_or_else(|| lacks(entry, "no calendars that can be read"))?;
        open(opening, &self.outbound, self.base(entry))
    }

    /// To write into it.
    pub(crate) fn writer(&self, name: &str, opening: &Opening<'_>) -> Result<Box<dyn CalendarWriter>, Fault> {
        let entry = known(name)?;
        let open = entry.writes.ok_or_else(|| lacks(entry, "no calendars that can be written"))?;
        open(opening, &self.outbound, self.base(entry))
    }

    /// To have it make meetings.
    pub(crate) fn meetings(&self, name: &str, opening: &Opening<'_>) -> Result<Box<dyn Meetings>, Fault> {
        let entry = known(name)?;
        let open = entry.meets.ok_or_else(|| lacks(entry, "no meetings"))?;
        open(opening, &self.outbound, self.base(entry))
    }

    fn base(&self, entry: &Entry) -> &str {
        self.bases.get(entry.name).map(String::as_str).or(entry.api_url).unwrap_or_default()
    }
}

fn known(name: &str) -> Result<&'static Entry, Fault> {
    entry(name).ok_or_else(|| {
        let names: Vec<_> = ENTRIES.iter().map(|entry| entry.name).collect();
        Fault::Misconfigured { why: format!("no client for the provider `{name}`; there are {}", names.join(", ")) }
    })
}

fn lacks(entry: &Entry, what: &str) -> Fault {
    Fault::Misconfigured { why: format!("{} has {what}; disconnect the account, or correct its provider", entry.name) }
}

fn token<'a>(opening: &'a Opening<'_>, who: &str) -> Result<&'a Secret, Fault> {
    match &opening.login {
        Login::Token(token) => Ok(token),
        Login::Password { .. } => {
            Err(Fault::Misconfigured { why: format!("{who} takes a token, and the account has a password") })
        }
    }
}

fn google(opening: &Opening<'_>, outbound: &Outbound, base: &str) -> Result<Google, Fault> {
    let token = token(opening, "google")?.clone();
    let session = Session::new("the calendar of google", base, outbound, token, opening.now);
    let session = session.behind(opening.gate.clone());
    Ok(Google::new(session, opening.calendar))
}

/// The account's own server, or else the provider's. What a user gave is judged by every call.
fn caldav(opening: &Opening<'_>, outbound: &Outbound, base: &str) -> Result<CalDav, Fault> {
    let (user, password) = match &opening.login {
        Login::Password { user, password } => (user.clone(), password.clone()),
        Login::Token(_) => {
            return Err(Fault::Misconfigured {
                why: "a calendar server takes a user and a password, and the account has a token".to_owned(),
            });
        }
    };
    let server = opening.server.filter(|server| !server.trim().is_empty()).unwrap_or(base);
    let server = Url::parse(server.trim()).map_err(|_| Fault::Misconfigured {
        why: "the account has no server that is a URL, such as https://dav.example.com".to_owned(),
    })?;
    let account = caldav::Account { server, user, password };
    Ok(CalDav::new(outbound, account, opening.calendar, opening.zone, opening.now))
}

fn microsoft(opening: &Opening<'_>, outbound: &Outbound, base: &str) -> Result<Microsoft, Fault> {
    let token = token(opening, "microsoft")?.clone();
    let session = Session::new("the calendar of microsoft", base, outbound, token, opening.now);
    let session = session.behind(opening.gate.clone());
    Ok(Microsoft::new(session, opening.calendar))
}

fn session(who: &'static str, opening: &Opening<'_>, outbound: &Outbound, base: &str) -> Result<Session, Fault> {
    let session = Session::new(who, base, outbound, token(opening, who)?.clone(), opening.now);
    Ok(session.behind(opening.gate.clone()))
}

#[cfg(test)]
mod tests;
