//! A house in a city with every provider, and an organizer who has accounts at them.

use std::{io::Write as _, process::Stdio};

use liaison_sandbox::{GoogleServer, MicrosoftServer, WebexServer, ZoomServer};
use liaison_store::{DatabaseUrl, ExternalEvent, KeyRing, Meeting, Store, StoreOptions, VideoAccount};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{House, until};

pub(super) struct City {
    pub(super) house: House,
    pub(super) zoom: ZoomServer,
    pub(super) webex: WebexServer,
    pub(super) google: GoogleServer,
    pub(super) microsoft: MicrosoftServer,
    pub(super) runtime: Runtime,
}

/// A booking of `org`, on a day that is far away, at this hour in UTC.
pub(super) fn booking(id: &str, version: i64, hour: u32) -> Value {
    json!({
        "id": id,
        "version": version,
        "organizer_id": "org",
        "title": "Coffee",
        "description": "With milk.",
        "starts_at": format!("2031-05-12T{hour:02}:00:00Z"),
        "ends_at": format!("2031-05-12T{hour:02}:30:00Z"),
        "timezone": "Europe/Berlin",
        "attendees": ["guest@example.org"],
    })
}

/// Whether it begins at this hour in UTC, in whichever zone a provider shows it.
pub(super) fn is_at(shown: &str, hour: u32) -> bool {
    let (utc, berlin) = (format!("2031-05-12T{hour:02}:00:00"), format!("2031-05-12T{:02}:00:00", hour + 2));
    let starts = |time: &str| shown.contains(&format!("\"{time}"));
    starts(&utc) || starts(&berlin)
}

impl City {
    pub(super) fn new(house: House) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (zoom, webex, google, microsoft) = runtime.block_on(async {
            let zoom = ZoomServer::start().await.expect("zoom");
            let webex = WebexServer::start().await.expect("webex");
            let google = GoogleServer::start().await.expect("google");
            (zoom, webex, google, MicrosoftServer::start().await.expect("microsoft"))
        });
        let places = [
            ("zoom", zoom.api_url()),
            ("webex", webex.api_url()),
            ("google", google.api_url()),
            ("microsoft", microsoft.api_url()),
        ];
        let spool = house.path("spool").display().to_string();
        let mut house = house.set("LIAISON_TOKENS__SPOOL", &spool).set("LIAISON_WORKER__LEASE", "1s");
        for (at, (name, url)) in places.iter().enumerate() {
            house = house
                .set(&format!("LIAISON_PROVIDER__{at}__NAME"), name)
                .set(&format!("LIAISON_PROVIDER__{at}__CLIENT_ID"), "client")
                .set(&format!("LIAISON_PROVIDER__{at}__API_URL"), url);
        }
        Self { house, zoom, webex, google, microsoft, runtime }
    }

    /// An account of `org` for video conferences. Its user there is called as the account.
    pub(super) fn video(&self, id: &str, provider: &str) {
        self.add("video", "org", id, provider);
    }

    pub(super) fn calendar(&self, id: &str, provider: &str) {
        self.add("calendar", "org", id, provider);
    }

    pub(super) fn add(&self, kind: &str, organizer: &str, id: &str, provider: &str) {
        let token = format!("sandbox-token-{id}");
        match provider {
            "zoom" => self.zoom.desk().admit(&token, id),
            "webex" => self.webex.desk().admit(&token, id),
            "google" | "google_meet" => self.google.desk().admit(&token, id),
            _ => self.microsoft.desk().admit(&token, id),
        }
        let arguments = ["integrations", "add", kind, "--organizer", organizer, "--provider", provider, "--id", id];
        self.add_with(&arguments, &token);
    }

    /// An account by a command, with this token or password.
    pub(super) fn add_with(&self, arguments: &[&str], token: &str) {
        let now = self.house.redis.ask::<Vec<i64>>(&["TIME"])[0];
        let mut command = self.house.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start liaison");
        let tokens = json!({"access_token": token, "expires_at": now + 36_000});
        let mut input = child.stdin.take().expect("its input");
        input.write_all(tokens.to_string().as_bytes()).expect("say the tokens");
        drop(input);
        let output = child.wait_with_output().expect("liaison ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(super) fn push(&self, id: &str, job: &str, args: &Value) {
        self.house.redis.push("default", &[json!({"id": id, "job": job, "args": args}).to_string()]);
    }

    /// The last run of a job that has ended.
    pub(super) fn end(&self, id: &str) -> Value {
        let ended = |run: &Value| run["outcome"] != "retry";
        until(&format!("{id} has ended"), || self.house.runs(id).last().is_some_and(ended));
        self.house.runs(id).pop().expect("a run")
    }

    /// Run a job to its end, which is a good one; its result.
    pub(super) fn run(&self, id: &str, job: &str, args: &Value) -> Value {
        self.push(id, job, args);
        self.result(id)
    }

    pub(super) fn result(&self, id: &str) -> Value {
        let end = self.end(id);
        assert_eq!(end["outcome"], "done", "{id}: {end}");
        serde_json::from_str(end["result"].as_str().expect("a result")).expect("JSON")
    }

    /// What there is at a provider, whoever of its users it belongs to: of Google, events with a link.
    pub(super) fn meetings(&self, provider: &str) -> Vec<Value> {
        match provider {
            "zoom" => self.zoom.meetings(),
            "webex" => self.webex.meetings(),
            "google_meet" => self.standing("google", "v"),
            _ => self.microsoft.meetings("v"),
        }
    }

    /// The events that stand in a calendar.
    pub(super) fn standing(&self, provider: &str, user: &str) -> Vec<Value> {
        let events = if provider == "google" { self.google.events(user) } else { self.microsoft.events(user) };
        events.into_iter().filter(|event| event["status"] != "cancelled").collect()
    }

    /// How many jobs have told the host of this event.
    pub(super) fn told(&self, event: &str) -> usize {
        let runs = self.house.json(&["runs", "list", "--job", "send_webhook", "--limit", "1000"]);
        let of = |run: &&Value| run["job_id"].as_str().is_some_and(|id| id.starts_with(event));
        runs.as_array().expect("a list").iter().filter(of).count()
    }

    pub(super) fn with_store<T>(&self, look: impl AsyncFnOnce(Store) -> T) -> T {
        let url: DatabaseUrl = self.house.postgres_url().parse().expect("a URL");
        let keys = std::fs::read_to_string(self.house.path("key")).expect("the key");
        self.runtime.block_on(async {
            let keys = KeyRing::parse(&keys).expect("keys");
            look(Store::open(&url, keys, StoreOptions::default()).await.expect("the store")).await
        })
    }

    pub(super) fn row(&self, booking: &str) -> Meeting {
        self.with_store(async |store| store.meeting(booking).await.expect("read").expect("a row"))
    }

    pub(super) fn video_account(&self, id: &str) -> VideoAccount {
        self.with_store(async |store| store.video_account(id).await.expect("read").expect("an account"))
    }

    /// The events of a booking, as we know them.
    pub(super) fn events(&self, booking: &str) -> Vec<ExternalEvent> {
        self.with_store(async |store| store.external_events(booking).await.expect("read"))
    }

    /// In a word, how an account is.
    pub(super) fn state(&self, id: &str) -> Value {
        self.house.json(&["integrations", "show", id])["state"].clone()
    }

    /// Wait until the events of a booking stand so, by their accounts.
    pub(super) fn until_events_are(&self, booking: &str, expected: &[(&str, &str)]) {
        until(&format!("the events of {booking} are {expected:?}"), || {
            let events = self.events(booking);
            let there = events.iter().map(|event| (event.integration_id.as_str(), event.status.as_str()));
            there.eq(expected.iter().copied())
        });
    }

    pub(super) fn makes_no_links(&self, id: &str) {
        assert!(self.with_store(async |store| store.make_links(id, false).await.expect("write")));
    }

    /// No token, no host's link and no passcode stands in what was said.
    pub(super) fn tells_no_secret(&self, said: &str) {
        let mut all = said.to_owned();
        for arguments in
            [&["runs", "list", "--limit", "1000", "--json"][..], &["logs", "--json"], &["dead", "list", "--json"]]
        {
            let output = self.house.cli(arguments);
            all.push_str(&String::from_utf8_lossy(&output.stdout));
            all.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        for secret in ["sandbox-token", "sandbox-host-secret", "pw850"] {
            assert!(!all.contains(secret), "{secret} in:\n{all}");
        }
    }
}
