//! Calendars: what a first sync costs beyond fetching its pages, what one without news costs at all, and whether a
//! thousand accounts are all asked, also beside a provider that hangs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use liaison_jobs::{
    outbound::{Call, Outbound},
    tokens::ClientAuth,
};
use liaison_queue::{JobId, clock::Clock};
use liaison_store::{IntegrationKind, LogEntry, NewIntegration, RunOutcome, Store, Tokens};
use serde_json::{Value, json};

use super::{
    figures::{Figure, Figures, Unit},
    measures::{self, Bench, Keep},
    process,
    server::{self, Server},
    webhooks::stop,
};
use crate::{
    app::App,
    cli::{answer, typed},
    config::Provider,
};

const QUEUE: &str = "bench-calendars";
/// Of the large calendar, and in one page.
const EVENTS: usize = 10_000;
const PAGE: usize = 250;
/// Accounts of one round over all, and those beside them at a provider that hangs.
const ACCOUNTS: usize = 1_000;
const HANGING: usize = 20;
/// What a provider takes for an answer, at the least.
const LATENCY: Duration = Duration::from_millis(100);
/// Syncs without news.
const QUIET: u32 = 30;
/// Rare enough not to count among what a sync without news costs.
const LOOK: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_mins(3);

impl Bench<'_> {
    pub(super) async fn calendars(&self, figures: &mut Figures) -> Result<()> {
        let office = Arc::new(Office { asked: Mutex::default(), now: Clock::wall().date() });
        let there = Arc::clone(&office);
        let server = Server::start_slow(LATENCY, move |request| there.answer(request)).await?;
        let app = self.calendar_app(&server)?;
        liaison_store::migrate(&app.database()?).await?;
        let store = app.store_with_keys().await?;
        answer::progress("calendars, accounts …");
        add(&store, "large", "google").await?;
        for number in 0..ACCOUNTS {
            add(&store, &format!("small-{number}"), "google").await?;
        }
        let daemon = app.start_with(Some(store.clone()), None).await?;
        let site = Site { app: &app, store: &store, office: &office };
        site.one(figures, &server).await?;
        site.all(figures).await?;
        stop(daemon).await;
        Ok(())
    }

    fn calendar_app(&self, server: &Server) -> Result<App> {
        let mut fixed = self.fixed(Keep::Sqlite)?;
        fixed.push(("calendars.spread", "0s".to_owned()));
        let mut config = self.global.load_with(vec![QUEUE.to_owned()], None, fixed)?.config;
        let provider = |name: &str, path: &str| Provider {
            name: name.to_owned(),
            client_id: "bench".to_owned(),
            client_secret_file: None,
            token_url: format!("http://{}/token", server.address),
            auth_url: None,
            redirect_url: None,
            client_secret: None,
            revoke_url: None,
            auth: ClientAuth::Body,
            api_url: Some(format!("http://{}/{path}", server.address)),
            single_use: false,
        };
        config.provider = vec![provider("google", "google"), provider("microsoft", "hangs")];
        App::new(config)
    }
}

async fn add(store: &Store, id: &str, provider: &str) -> Result<()> {
    let now = Clock::wall().date();
    let (access_token, expires_at) = (format!("token-of-{id}"), Some(now + TimeDelta::hours(5)));
    let account = NewIntegration {
        kind: IntegrationKind::Calendar,
        id: Some(id.to_owned()),
        fresh_id: String::new(),
        organizer_id: id.to_owned(),
        provider: provider.to_owned(),
        provider_user_id: None,
        provider_email: None,
        tokens: Tokens { access_token, refresh_token: None, expires_at, scope: None },
    };
    let entry = LogEntry { id: JobId::generate().to_string(), created_at: now, ..LogEntry::default() };
    store.add_integration(account, now, entry.into()).await?;
    Ok(())
}

struct Site<'a> {
    app: &'a App,
    store: &'a Store,
    office: &'a Office,
}

impl Site<'_> {
    /// One large calendar: its first sync over its bare pages, and syncs without news.
    async fn one(&self, figures: &mut Figures, server: &Server) -> Result<()> {
        answer::progress("calendars, the bare pages …");
        let outbound = App::outbound_of(&self.app.config)?;
        let begin = Instant::now();
        for page in 0..EVENTS / PAGE {
            fetch(&outbound, &format!("http://{}/google/calendars/primary/events?pageToken={page}", server.address))
                .await?;
        }
        let bare = begin.elapsed();
        answer::progress("calendars, a first sync …");
        let first = self.sync("first").await?;
        figures.add(
            Figure::new(
                "calendar_first_sync",
                "a first sync of 10,000 events in pages of 250",
                Unit::Millis,
                first.as_secs_f64() * 1e3,
            )
            .over(bare.as_secs_f64() * 1e3, "the same pages, thrown away"),
        );
        self.idle().await?;
        answer::progress("calendars, syncs without news …");
        self.office.take();
        let processor = process::processor_time("self");
        for number in 0..QUIET {
            self.sync(&format!("quiet-{number}")).await?;
        }
        let processor = process::processor_time("self").saturating_sub(processor);
        let asked: u32 = self.office.take().values().sum();
        figures.add(Figure::new(
            "calendar_quiet_processor",
            "a sync without news, processor time with the provider's",
            Unit::Millis,
            (processor / QUIET).as_secs_f64() * 1e3,
        ));
        figures.add(Figure::new(
            "calendar_quiet_requests",
            "requests of a sync without news",
            Unit::Count,
            f64::from(asked) / f64::from(QUIET),
        ));
        Ok(())
    }

    /// All calendars: the first round, one without news, and the same beside a provider that hangs.
    async fn all(&self, figures: &mut Figures) -> Result<()> {
        answer::progress("calendars, a first round over all …");
        self.round("all-first").await?;
        self.idle().await?;
        answer::progress("calendars, a round over all …");
        let (alone, _) = self.round("all-alone").await?;
        self.idle().await?;
        for number in 0..HANGING {
            add(self.store, &format!("hanging-{number}"), "microsoft").await?;
        }
        answer::progress("calendars, a round beside a provider that hangs …");
        let (beside, often) = self.round("all-beside").await?;
        figures.add(
            Figure::new(
                "calendar_round_beside_hanging",
                "1,000 calendars, beside 20 whose provider hangs",
                Unit::Millis,
                beside.as_secs_f64() * 1e3,
            )
            .over(alone.as_secs_f64() * 1e3, "the same without them"),
        );
        let twice = u32::try_from(often.values().filter(|asked| **asked > 1).count())?;
        figures.add(Figure::new("calendar_round_twice", "of them asked more than once", Unit::Count, f64::from(twice)));
        Ok(())
    }

    async fn sync(&self, id: &str) -> Result<Duration> {
        let begin = Instant::now();
        let job = json!({"id": id, "job": "sync_calendar_events", "queue": QUEUE, "args": {"integration_id": "large"}});
        self.app.producer().enqueue(&[job.to_string()]).await?;
        while !self.store.runs_of(id).await?.iter().any(|run| run.outcome == RunOutcome::Done) {
            self.not_for_ever(begin)?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(begin.elapsed())
    }

    /// Until every healthy calendar was asked; how often each was.
    async fn round(&self, id: &str) -> Result<(Duration, BTreeMap<String, u32>)> {
        self.office.take();
        // What the provider allows all accounts together was spent on the round before: that would be measured.
        liaison_queue::reset_limit(&self.app.link, &typed::name("google")?).await?;
        let begin = Instant::now();
        let job = json!({"id": id, "job": "sync_all_calendar_integrations", "queue": QUEUE});
        self.app.producer().enqueue(&[job.to_string()]).await?;
        while self.office.seen() <= ACCOUNTS {
            self.not_for_ever(begin)?;
            tokio::time::sleep(LOOK).await;
        }
        Ok((begin.elapsed(), self.office.take()))
    }

    async fn idle(&self) -> Result<()> {
        let (inspector, begin) = (self.app.inspector(&measures::queue(QUEUE)?), Instant::now());
        while !inspector.depths().await?.is_empty() {
            self.not_for_ever(begin)?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn not_for_ever(&self, begin: Instant) -> Result<()> {
        if begin.elapsed() > LIMIT {
            bail!("the calendars of the benchmark took longer than {LIMIT:?}; {} were asked", self.office.seen());
        }
        Ok(())
    }
}

async fn fetch(outbound: &Outbound, url: &str) -> Result<()> {
    let answer = outbound.send_trusted(Call::get(url).keeping(8 << 20)).await?;
    if !answer.status.is_success() || !answer.is_whole() {
        bail!("the provider of the benchmark answered {}", answer.status);
    }
    Ok(())
}

/// The provider. It knows who asked how often.
struct Office {
    asked: Mutex<BTreeMap<String, u32>>,
    now: DateTime<Utc>,
}

impl Office {
    fn answer(&self, request: &str) -> Option<String> {
        if request.starts_with("GET /hangs") {
            return None;
        }
        let who = request.split("Bearer token-of-").nth(1).and_then(|rest| rest.split_whitespace().next());
        let who = who.unwrap_or("nobody").to_owned();
        let query = request.split_whitespace().nth(1).unwrap_or_default();
        let body = if query.contains("syncToken=") {
            json!({"kind": "calendar#events", "timeZone": "UTC", "items": [], "nextSyncToken": "next"}).to_string()
        } else {
            let page = query.split("pageToken=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
            self.page(page.unwrap_or(0), if who.starts_with("small") { 1 } else { EVENTS / PAGE })
        };
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(who).or_default() += 1;
        Some(server::ok(&body))
    }

    /// As wordy as a provider is.
    fn page(&self, page: usize, pages: usize) -> String {
        let first = page * PAGE;
        let most = if pages == 1 { 10 } else { PAGE };
        let items: Vec<Value> = (first..first + most).map(|number| self.event(number)).collect();
        let mut body = json!({"kind": "calendar#events", "timeZone": "UTC", "items": items});
        let more = page + 1 < pages;
        body[if more { "nextPageToken" } else { "nextSyncToken" }] = (page + 1).to_string().into();
        body.to_string()
    }

    fn event(&self, number: usize) -> Value {
        let minutes = i64::try_from(number).unwrap_or(0) * 50;
        let at = |minutes| (self.now + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut html = String::from("https://calendar.example/event?eid=");
        let _ = write!(html, "{number:032}");
        json!({
            "kind": "calendar#event", "etag": "\"3181161784712000\"", "id": format!("event{number:06}"),
            "status": "confirmed", "htmlLink": html, "created": at(-9_000), "updated": at(-8_000),
            "summary": format!("Meeting number {number}"), "description": "Agenda: what was, what is, what comes next.",
            "creator": {"email": "ann@example.org"}, "organizer": {"email": "ann@example.org", "self": true},
            "start": {"dateTime": at(minutes), "timeZone": "UTC"}, "end": {"dateTime": at(minutes + 45), "timeZone": "UTC"},
            "iCalUID": format!("event{number:06}@example.org"), "sequence": 0, "reminders": {"useDefault": true},
            "eventType": "default",
        })
    }

    fn seen(&self) -> usize {
        // The large one is among them.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self) -> BTreeMap<String, u32> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
