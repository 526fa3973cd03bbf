//! A house with two providers of calendars next door, and accounts at both.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use liaison_sandbox::{CalDavServer, GoogleServer, MicrosoftServer, Reset, Series};
use liaison_store::{
    Added, BlockedTime, CalendarPlace, CalendarSync, DatabaseUrl, IntegrationKind, KeyRing, LogEntry, NewIntegration,
    Store, StoreOptions, Tokens,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{House, until};

pub(super) struct Town {
    pub(super) house: House,
    pub(super) google: GoogleServer,
    pub(super) microsoft: MicrosoftServer,
    pub(super) caldav: CalDavServer,
    pub(super) store: Store,
    pub(super) runtime: Runtime,
}

/// Far enough for the dates of the corpus, for years to come.
const YEARS: &str = "1825d";

static EPOCH: LazyLock<DateTime<Utc>> = LazyLock::new(|| DateTime::UNIX_EPOCH);

impl Town {
    pub(super) fn new(house: House) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let google = runtime.block_on(GoogleServer::start()).expect("a server");
        let microsoft = runtime.block_on(MicrosoftServer::start()).expect("a server");
        let caldav = runtime.block_on(CalDavServer::start()).expect("a server");
        let secret = house.write("client-secret", "nobody asks\n");
        let house = house
            .set("LIAISON_PROVIDER__0__NAME", "google")
            .set("LIAISON_PROVIDER__0__CLIENT_ID", "liaison")
            .set("LIAISON_PROVIDER__0__CLIENT_SECRET_FILE", &secret)
            .set("LIAISON_PROVIDER__0__API_URL", &google.api_url())
            .set("LIAISON_PROVIDER__1__NAME", "microsoft")
            .set("LIAISON_PROVIDER__1__CLIENT_ID", "liaison")
            .set("LIAISON_PROVIDER__1__CLIENT_SECRET_FILE", &secret)
            .set("LIAISON_PROVIDER__1__API_URL", &microsoft.api_url())
            .set("LIAISON_OUTBOUND__ALLOW", "127.0.0.0/8")
            .set("LIAISON_CALENDARS__PAST", YEARS)
            .set("LIAISON_CALENDARS__FUTURE", YEARS)
            .set("LIAISON_CALENDARS__SPREAD", "0s");
        let url: DatabaseUrl = match house.postgres {
            Some(_) => house.postgres_url(),
            None => format!("sqlite:{}", house.path("liaison.db").display()),
        }
        .parse()
        .expect("a URL");
        let keys = std::fs::read_to_string(house.path("key")).expect("the key");
        let keys = KeyRing::parse(&keys).expect("keys");
        let store = runtime.block_on(Store::open(&url, keys, StoreOptions::default())).expect("the store");
        Self { house, google, microsoft, caldav, store, runtime }
    }

    /// An account whose organizer is called the same.
    pub(super) fn connect(&self, provider: &str, id: &str) {
        self.connect_for(provider, id, id);
    }

    pub(super) fn connect_for(&self, provider: &str, id: &str, organizer: &str) {
        let token = format!("token-of-{id}");
        match provider {
            "google" => self.google.desk().admit(&token, id),
            "microsoft" => self.microsoft.desk().admit(&token, id),
            _ => self.caldav.admit(id, &token),
        }
        self.add((provider, id, organizer), id, token);
        if provider == "caldav" {
            let server_url = Some(self.caldav.calendar_url(id));
            self.place(id, CalendarPlace { server_url, ..CalendarPlace::default() });
        }
    }

    /// An account of this user there, with a token or a password.
    pub(super) fn add(&self, (provider, id, organizer): (&str, &str, &str), user: &str, token: String) {
        let new = NewIntegration {
            kind: IntegrationKind::Calendar,
            id: Some(id.to_owned()),
            fresh_id: String::new(),
            organizer_id: organizer.to_owned(),
            provider: provider.to_owned(),
            provider_user_id: Some(user.to_owned()),
            provider_email: Some(format!("{organizer}@example.org")),
            tokens: Tokens { access_token: token, refresh_token: None, expires_at: None, scope: None },
        };
        let entry = LogEntry { id: format!("added-{id}"), created_at: *EPOCH, ..LogEntry::default() };
        let added = self.runtime.block_on(self.store.add_integration(new, *EPOCH, entry.into())).expect("add it");
        assert!(matches!(added, Added::New(_)), "{added:?}");
    }

    pub(super) fn place(&self, id: &str, place: CalendarPlace) {
        assert!(self.runtime.block_on(self.store.place_calendar(id, place, *EPOCH)).expect("place it"));
    }

    /// Say in which zone the calendar is, to whoever knows that.
    pub(super) fn zone(&self, provider: &str, id: &str, zone: &str) {
        match provider {
            "google" => self.google.zone(id, zone),
            "microsoft" => self.microsoft.zone(id, zone),
            _ => self.move_to(id, zone),
        }
    }

    fn move_to(&self, id: &str, zone: &str) {
        self.place(id, CalendarPlace { time_zone: Some(zone.to_owned()), ..CalendarPlace::default() });
    }

    /// Something happens in a calendar: `{"remove": id}`, `{"series": …}`, `{"zone": …}`, `{"expire": …}`, or an event: for
    /// `CalDAV` `{"ics": name, "lines": […]}`.
    pub(super) fn happens(&self, provider: &str, id: &str, what: &Value) {
        match what["zone"].as_str() {
            // It is asked with a full round; until then, somebody says so.
            Some(zone) if provider == "microsoft" => return self.move_to(id, zone),
            Some(zone) => return self.zone(provider, id, zone),
            None => {}
        }
        match provider {
            "google" => self.happens_at_google(id, what),
            "microsoft" => self.happens_at_microsoft(id, what),
            _ => self.happens_at_home(id, what),
        }
    }

    fn happens_at_google(&self, id: &str, what: &Value) {
        if let Some(event) = what["remove"].as_str() {
            self.google.remove(id, event);
        } else if what["series"].is_object() {
            self.google.put_series(id, &series(&what["series"]));
        } else if what["expire"].is_null() {
            self.google.put(id, what.clone());
        } else {
            self.google.expire_cursors(id);
        }
    }

    fn happens_at_microsoft(&self, id: &str, what: &Value) {
        if let Some(event) = what["remove"].as_str() {
            self.microsoft.remove(id, event);
        } else if what["series"].is_object() {
            self.microsoft.put_series(id, &series(&what["series"]));
        } else if what["expire"].is_null() {
            self.microsoft.put(id, what.clone());
        } else {
            let how = if what["expire"] == "not found" { Reset::NotFound } else { Reset::Gone };
            self.microsoft.expire_cursors(id, how);
        }
    }

    fn happens_at_home(&self, id: &str, what: &Value) {
        if let Some(name) = what["remove"].as_str() {
            return self.caldav.remove(id, &format!("{name}.ics"));
        }
        let (name, text) = object(what);
        self.caldav.put(id, &name, &text);
    }

    /// Ask for jobs about a calendar.
    pub(super) fn ask(&self, job: &str, id: &str, calendar: &str) {
        let lane = json!({"key": format!("sync:{calendar}"), "on_delay": "pass"});
        let args = json!({"integration_id": calendar});
        self.house.redis.push("default", &[json!({"id": id, "job": job, "lane": lane, "args": args}).to_string()]);
    }

    /// Synchronise a calendar, and wait until its blocked times and whoever has to know are up to date.
    pub(super) fn sync(&self, id: &str, calendar: &str) -> Value {
        self.ask("sync_calendar_events", id, calendar);
        let result = self.result(id);
        self.settles(calendar);
        result
    }

    /// The result of a job, when it has one.
    pub(super) fn result(&self, id: &str) -> Value {
        until(&format!("{id} is done"), || self.house.runs(id).iter().any(|run| run["outcome"] == "done"));
        let runs = self.house.runs(id);
        let done = runs.iter().find(|run| run["outcome"] == "done").expect("it is done");
        serde_json::from_str(done["result"].as_str().expect("a result")).expect("JSON")
    }

    /// Wait until nothing is left to do for a calendar.
    pub(super) fn settles(&self, calendar: &str) {
        until(&format!("{calendar} settles"), || {
            let state = self.state(calendar);
            !state.changed && state.open.is_none() && state.blocks_version == state.blocks_told
        });
    }

    pub(super) fn state(&self, calendar: &str) -> CalendarSync {
        self.runtime.block_on(self.store.calendar_sync(calendar)).expect("read").expect("an account")
    }

    pub(super) fn blocks(&self, organizer: &str) -> Vec<BlockedTime> {
        self.runtime.block_on(self.store.blocked_times(organizer, *EPOCH, 10_000)).expect("read")
    }

    /// Which events block, in the order of their ids.
    pub(super) fn busy(&self, organizer: &str) -> Vec<(String, DateTime<Utc>)> {
        let of = |block: BlockedTime| (block.external_event_id.unwrap_or_default(), block.starts_at.and_utc());
        let mut busy: Vec<_> = self.blocks(organizer).into_iter().map(of).collect();
        busy.sort();
        busy
    }
}

/// What `CalDAV` calls a resource, and what it is: `{"ics": name, "lines": […]}`.
pub(super) fn object(what: &Value) -> (String, String) {
    let name = what["ics"].as_str().expect("a name");
    let lines = what["lines"].as_array().expect("lines").iter().filter_map(Value::as_str);
    let all = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Tests//EN"].into_iter().chain(lines);
    (format!("{name}.ics"), all.chain(["END:VCALENDAR", ""]).collect::<Vec<_>>().join("\r\n"))
}

fn series(what: &Value) -> Series {
    let text = |name: &str| what[name].as_str().expect("a text").to_owned();
    let number = |value: &Value| value.as_u64().expect("a number");
    let list = |name: &str| what[name].as_array().expect("a list").clone();
    Series {
        id: text("id"),
        title: "Again and again".to_owned(),
        start: text("start").parse().expect("a time"),
        zone: text("zone").parse::<Tz>().expect("a zone"),
        minutes: what["minutes"].as_i64().expect("minutes"),
        every_days: number(&what["every_days"]),
        times: number(&what["times"]),
        cancelled: list("cancelled").iter().map(number).collect(),
        moved: list("moved")
            .iter()
            .map(|one| (number(&one[0]), one[1].as_str().expect("a time").parse().expect("a time")))
            .collect(),
    }
}
