//! A round: pages of a provider, one after the other, until the provider says that it is whole.
//!
//! An incremental round begins with the cursor that the round before left, a full one with nothing. A cursor that has
//! expired, also in the middle of a round, begins a full one: what it does not see takes place no more, and nothing is
//! taken out before its end.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use liaison_queue::{clock::Millis, outcome::Failure};
use liaison_store::{Applied, CalendarSync, Observed, OpenRound, RoundEnd, RoundKind, Store, SyncPage};

use super::observing::observe;
use crate::{
    kit::{
        Called, again,
        calendars::{CalendarSettings, earlier, later, part_of},
        digest,
    },
    providers::{Fault, Next, Page, Window},
};

/// A provider whose cursors die faster than they can be used is asked again later.
const MAX_RESTARTS: i32 = 3;
/// A round that has been under way for so long begins anew: cursors of pages live for hours.
const MAX_AGE: TimeDelta = TimeDelta::hours(24);
/// Pages that are not looked at for circles: so many of one look are no circle yet.
const PATIENCE: i32 = 64;
/// When nothing has changed, that is written down so often.
const NOTED_EVERY: TimeDelta = TimeDelta::hours(1);

/// Who has the pages.
pub(super) trait Source: Sync {
    fn page(&self, at: Option<&str>, window: Window) -> impl Future<Output = Called<Page>> + Send;
}

/// What the host wants beyond what is usual.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) force: bool,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
}

/// A round that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) kind: RoundKind,
    pub(super) pages: i32,
    pub(super) changed: usize,
    pub(super) odd: usize,
    pub(super) restarts: i32,
}

/// Why a round does not go on now.
#[derive(Debug)]
pub(super) enum Halt {
    Fault(Fault),
    Failure(Failure),
}

/// What a round is of.
pub(super) struct Work<'a> {
    pub(super) store: &'a Store,
    pub(super) settings: &'a CalendarSettings,
    /// As it was read before.
    pub(super) calendar: &'a CalendarSync,
    pub(super) job_id: &'a str,
    pub(super) now: &'a (dyn Fn() -> DateTime<Utc> + Sync),
}

impl Work<'_> {
    /// Go on with the round that is under way, or begin one; until it is whole, or this time has come.
    pub(super) async fn run(&self, source: &impl Source, asked: &Asked, until: DateTime<Utc>) -> Result<Report, Halt> {
        let mut step = self.calendar.step;
        let mut round = self.begin(asked);
        let (mut odd, mut changed, mut ahead) = (0, usize::try_from(round.changes).unwrap_or(0), None);
        loop {
            let window = Window { from: round.from, to: round.until };
            let called: Called<Page> = match ahead.take() {
                Some(called) => called,
                None if (self.now)() < until => source.page(round.position.as_deref(), window).await,
                None => return Err(Halt::Failure(Failure::Snooze { until: Millis::at((self.now)()) })),
            };
            let page = match called.map_err(Halt::Failure)? {
                Ok(page) => page,
                Err(Fault::Expired { why }) => {
                    round = self.restart(round, step, why).await?;
                    continue;
                }
                Err(fault) => return Err(Halt::Fault(fault)),
            };
            round.pages = round.pages.saturating_add(1);
            if let Some(fault) = self.goes_round(&mut round, &page) {
                if round.kind == RoundKind::Full {
                    self.abandon(step).await?;
                    return Err(Halt::Fault(fault));
                }
                round = self.restart(round, step, fault.why().to_owned()).await?;
                continue;
            }
            if self.is_quiet(&round, &page) {
                return Ok(Report { kind: round.kind, pages: 1, changed: 0, odd: 0, restarts: 0 });
            }
            let (written, strange) = self.written(&round, step, page);
            odd += strange;
            let end = written.end.clone();
            // The next page is on its way while this one is written.
            let next = async {
                match &end {
                    RoundEnd::Goes(at) if (self.now)() < until => Some(source.page(Some(at), window).await),
                    RoundEnd::Goes(_) | RoundEnd::Whole(_) => None,
                }
            };
            let (applied, fetched) = tokio::join!(self.store.apply_page(written), next);
            ahead = fetched;
            match applied.map_err(|fault| Halt::Failure(again(&fault)))? {
                Applied::Changed(number) => changed += number,
                Applied::Overtaken => return Err(Halt::Failure(overtaken())),
            }
            step += 1;
            match end {
                RoundEnd::Goes(position) => {
                    round.position = Some(position);
                    round.changes = i32::try_from(changed).unwrap_or(i32::MAX);
                }
                RoundEnd::Whole(_) => {
                    let OpenRound { kind, pages, restarts, .. } = round;
                    return Ok(Report { kind, pages, changed, odd, restarts });
                }
            }
        }
    }

    /// A page as it is written, and how much of it cannot be understood.
    fn written(&self, round: &OpenRound, step: i32, page: Page) -> (SyncPage, usize) {
        let changes = observe(page.changes, Window { from: round.from, to: round.until });
        let odd = changes.iter().filter(|change| matches!(change, Observed::Odd { .. })).count();
        let end = match page.next {
            Next::Page(position) => RoundEnd::Goes(position),
            Next::End(cursor) => RoundEnd::Whole(cursor),
        };
        let page = SyncPage {
            integration_id: self.calendar.integration_id.clone(),
            step,
            round: round.clone(),
            changes,
            zone: page.zone.filter(|zone| zone.parse::<Tz>().is_ok()),
            end,
            now: (self.now)(),
        };
        (page, odd)
    }

    /// The round that is under way, if it is good for what is asked; else another one.
    fn begin(&self, asked: &Asked) -> OpenRound {
        let now = (self.now)();
        let covers = |from: DateTime<Utc>, until: DateTime<Utc>| {
            asked.from.is_none_or(|wanted| wanted >= from) && asked.to.is_none_or(|wanted| wanted <= until)
        };
        if let Some(open) = &self.calendar.open {
            let is_asked_for = !asked.force || (open.kind == RoundKind::Full && open.job_id == self.job_id);
            if now - open.started_at < MAX_AGE && is_asked_for && covers(open.from, open.until) {
                return open.clone();
            }
        }
        let incremental = match (&self.calendar.sync_token, self.calendar.covers) {
            _ if asked.force || self.calendar.open.is_some() => None,
            (Some(cursor), Some((from, until))) if covers(from, until) && !self.is_due(now) => {
                Some((cursor.clone(), from, until))
            }
            _ => None,
        };
        if let Some((cursor, from, until)) = incremental {
            return OpenRound {
                position: Some(cursor),
                kind: RoundKind::Incremental,
                number: self.calendar.round,
                from,
                until,
                ..self.fresh(now)
            };
        }
        let fresh = self.fresh(now);
        let from = asked.from.map_or(fresh.from, |from| from.min(fresh.from));
        let until = asked.to.map_or(fresh.until, |to| to.max(fresh.until));
        OpenRound { from, until, ..fresh }
    }

    /// A full round over the usual window.
    fn fresh(&self, now: DateTime<Utc>) -> OpenRound {
        OpenRound {
            kind: RoundKind::Full,
            number: self.calendar.round.saturating_add(1),
            position: None,
            from: earlier(now, self.settings.past),
            until: later(now, self.settings.future),
            pages: 0,
            changes: 0,
            restarts: 0,
            landmark: None,
            job_id: self.job_id.to_owned(),
            started_at: now,
        }
    }

    /// Whether the window has to move on. Each account has a time of its own within the last quarter, so that those that
    /// were connected together part.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        let after = self.settings.full_sync.mul_f64(0.75 + part_of(&self.calendar.integration_id) / 4.0);
        let Some((covered_at, (from, until))) = self.calendar.covered_at.zip(self.calendar.covers) else { return true };
        // What the configuration asks for by now counts as well, and not only how long ago that was.
        let wanted = self.fresh(covered_at);
        covered_at <= earlier(now, after) || from > wanted.from || until < wanted.until
    }

    /// The cursor leads nowhere: a full round from its beginning.
    async fn restart(&self, round: OpenRound, step: i32, why: String) -> Result<OpenRound, Halt> {
        if round.restarts >= MAX_RESTARTS {
            self.abandon(step).await?;
            let why = format!("began anew {MAX_RESTARTS} times and came to no end: {why}");
            return Err(Halt::Fault(Fault::Retry { after: None, why }));
        }
        let fresh = self.fresh((self.now)());
        let (from, until) = match round.kind {
            RoundKind::Full => (round.from.min(fresh.from), round.until.max(fresh.until)),
            RoundKind::Incremental => (fresh.from, fresh.until),
        };
        Ok(OpenRound { number: round.number.saturating_add(1), from, until, restarts: round.restarts + 1, ..fresh })
    }

    async fn abandon(&self, step: i32) -> Result<(), Halt> {
        let abandoned = self.store.abandon_round(&self.calendar.integration_id, step).await;
        abandoned.map_err(|fault| Halt::Failure(again(&fault)))
    }

    /// Whether the provider sends pages without an end. One of them is compared with all that follow, and replaced by a
    /// later one each time their number has doubled: so every circle is found, however long it is. Clients that know the
    /// circles of their provider find them before this begins to look.
    fn goes_round(&self, round: &mut OpenRound, page: &Page) -> Option<Fault> {
        let Next::Page(next) = &page.next else { return None };
        if u32::try_from(round.pages).is_ok_and(|pages| pages >= self.settings.max_pages) {
            let most = self.settings.max_pages;
            let why = format!("{} sends more than {most} pages ([calendars] max_pages)", self.calendar.provider);
            return Some(Fault::Refused { why });
        }
        if round.pages < PATIENCE {
            return None;
        }
        let mark = match page.changes.as_slice() {
            [] => digest(&["position", next]),
            changes => digest(&["changes", &format!("{changes:?}")]),
        };
        if round.landmark.as_ref() == Some(&mark) {
            let why = format!("{} sends the same pages again and again", self.calendar.provider);
            return Some(Fault::Retry { after: None, why });
        }
        if u32::try_from(round.pages).is_ok_and(u32::is_power_of_two) {
            round.landmark = Some(mark);
        }
        None
    }

    /// Whether there is nothing to write: an incremental round of one page with nothing in it.
    fn is_quiet(&self, round: &OpenRound, page: &Page) -> bool {
        let calendar = self.calendar;
        let noted = calendar.last_sync_at.is_some_and(|at| (self.now)() - at < NOTED_EVERY);
        round.kind == RoundKind::Incremental
            && round.pages == 1
            && page.changes.is_empty()
            && matches!(page.next, Next::End(Some(_)))
            && (page.zone.is_none() || page.zone == calendar.time_zone)
            && calendar.sync_errors == 0
            && noted
    }
}

fn overtaken() -> Failure {
    Failure::retry("somebody else synchronises this calendar at the same time; it is looked at again")
}
