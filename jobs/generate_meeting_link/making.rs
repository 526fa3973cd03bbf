//! A booking gets its meeting, or the one that it has is changed.
//!
//! Providers are asked one after the other until one has made it. What went wrong decides: a limit that ends soon and an
//! outage that is not over yet are waited for, everything else leaves it to the next one, with the reason written down.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::{
    clock::Millis,
    faults::{self, Point},
    outcome::{Done, Failure, Outcome},
};
use liaison_store::{Integration, MeetingStatus};
use serde_json::json;

use super::{accounts, ledger::Ledger, telling};
use crate::{
    kit::{Booking, Context, Trouble, limit_ends},
    providers::{Fault, MadeBy, Meeting, MeetingDraft, MeetingSettings, What, Window, entry},
};

/// Somebody has to mend it, and may.
const OURS: Duration = Duration::from_mins(5);

pub(super) struct Making<'a> {
    pub(super) ctx: &'a Context,
    pub(super) booking: &'a Booking,
    pub(super) providers: &'a [String],
    pub(super) settings: &'a MeetingSettings,
}

/// What became of one provider.
enum Tried {
    Made,
    /// It is somebody else's turn.
    GaveUp,
}

impl Making<'_> {
    pub(super) async fn run(&self, mut ledger: Ledger<'_>) -> Outcome {
        let version = self.booking.version;
        if ledger.row.turn > 0 && ledger.row.version >= version {
            let row = &ledger.row;
            if row.version > version {
                let newer = row.version;
                return Ok(Done(Some(json!({"skipped": format!("version {newer} of the booking came before")}))));
            }
            match row.status {
                MeetingStatus::Created => return self.known(&mut ledger).await,
                MeetingStatus::Removing | MeetingStatus::Removed => {
                    return Err(Failure::Cancelled { reason: "the booking was cancelled".to_owned() });
                }
                MeetingStatus::Waiting | MeetingStatus::Intended | MeetingStatus::Failed => {}
            }
        }
        // Whoever comes after a failure begins anew: somebody may have mended what was wrong.
        if ledger.row.version < version || ledger.row.status == MeetingStatus::Failed {
            ledger.begin_version(version);
        }
        let organizer = &self.booking.organizer_id;
        let current = ledger.may_be_there().then(|| ledger.row.integration_id.clone()).flatten();
        let accounts = accounts::of(self.ctx, organizer, self.providers, current.as_deref()).await?;
        if accounts.is_switched_off {
            return Ok(Done(Some(json!({"skipped": "no account of the organizer makes links by itself"}))));
        }
        for (at, account) in accounts.wanted.iter().enumerate() {
            if ledger.given_up(account).is_some() {
                continue;
            }
            let others = accounts.wanted[at + 1..].iter().any(|other| ledger.given_up(other).is_none());
            match self.ask(&mut ledger, account, others).await? {
                Tried::Made => return self.made(&mut ledger).await,
                Tried::GaveUp => {}
            }
        }
        Err(self.nobody(&mut ledger, &accounts.others).await)
    }

    /// Ask one provider, after what it may have done before was looked for.
    async fn ask(&self, ledger: &mut Ledger<'_>, account: &Integration, others: bool) -> Result<Tried, Failure> {
        let draft = MeetingDraft { event: self.booking.draft(false), settings: self.settings.clone() };
        ledger.turn_to(account);
        if ledger.is_to_be_looked_for() {
            match self.look(ledger, account, &draft).await {
                Ok(None) => ledger.forget(),
                Ok(found) => self.note(ledger, found),
                Err(trouble) => return self.trouble(ledger, account, trouble, (true, others)).await,
            }
        }
        let row = &mut ledger.row;
        (row.organizer_id, row.status) = (self.booking.organizer_id.clone(), MeetingStatus::Intended);
        (row.starts_at, row.ends_at) = (Some(self.booking.starts_at), Some(self.booking.ends_at));
        ledger.put().await?;
        faults::at(Point::BeforeMeetingCall);
        let answer = self.make(ledger, account, &draft).await;
        faults::at(Point::MeetingAnswered);
        match answer {
            Ok(meeting) => {
                self.note(ledger, meeting);
                let row = &mut ledger.row;
                (row.status, row.reason, row.trouble_since) = (MeetingStatus::Created, None, None);
                self.store(ledger, account).await?;
                faults::at(Point::MeetingStored);
                Ok(Tried::Made)
            }
            Err(trouble) => {
                // Such a meeting takes several calls: whoever refuses one of them may have made the event before.
                let by_event = entry(&account.provider).is_some_and(|entry| entry.meetings == MadeBy::Event);
                let unknown = by_event && matches!(trouble, Trouble::Answered(_));
                self.trouble(ledger, account, trouble, (unknown, others)).await
            }
        }
    }

    /// What may have been made when an answer was lost.
    async fn look(
        &self,
        ledger: &Ledger<'_>,
        account: &Integration,
        draft: &MeetingDraft,
    ) -> Result<Option<Meeting>, Trouble> {
        let around = around(ledger, self.booking);
        let key = &draft.event.key;
        self.ctx.meetings(account, What::Calls, |desk| async move { desk.find(key, around).await }).await
    }

    /// Change the meeting that there is, or make one. None: its links are as they were.
    async fn make(
        &self,
        ledger: &mut Ledger<'_>,
        account: &Integration,
        draft: &MeetingDraft,
    ) -> Result<Option<Meeting>, Trouble> {
        if let Some(id) = ledger.row.external_id.clone() {
            let id = &id;
            let update = |desk: Box<dyn crate::providers::Meetings>| async move { desk.update(id, draft).await };
            match self.ctx.meetings(account, What::Meetings, update).await {
                // Somebody has deleted it. That is written down first: what is made now is to be looked for.
                Err(Trouble::Answered(Fault::Gone { .. })) => {
                    ledger.forget();
                    ledger.put().await.map_err(Trouble::NotAsked)?;
                }
                answer => return answer,
            }
        }
        let create = |desk: Box<dyn crate::providers::Meetings>| async move { desk.create(draft).await };
        let made = self.ctx.meetings(account, What::Meetings, create).await?;
        ledger.row.made_for = Some(self.booking.version);
        Ok(Some(made))
    }

    fn note(&self, ledger: &mut Ledger<'_>, meeting: Option<Meeting>) {
        let Some(meeting) = meeting else { return };
        let row = &mut ledger.row;
        row.made_for = row.made_for.or(Some(self.booking.version));
        row.external_id = Some(meeting.id);
        row.join_url = Some(meeting.join_url);
        // What is not said again stays.
        let text = |secret: &crate::kit::Secret| secret.expose().to_owned();
        row.host_url = meeting.host_url.as_ref().map(text).or(row.host_url.take());
        row.passcode = meeting.passcode.as_ref().map(text).or(row.passcode.take());
    }

    /// Write down what was made. If another job has changed the row, because this process stood still for longer than
    /// its lease, what was made here is left behind.
    async fn store(&self, ledger: &mut Ledger<'_>, account: &Integration) -> Result<(), Failure> {
        let Err(failure) = ledger.put().await else { return Ok(()) };
        let now = self.ctx.store()?.meeting(&self.booking.id).await;
        let is_ours = |row: &liaison_store::Meeting| row.turn == ledger.row.turn;
        if let Ok(Some(row)) = now
            && !is_ours(&row)
        {
            let (there, times) = (ledger.row.external_id.as_deref(), (ledger.row.starts_at, ledger.row.ends_at));
            let left = super::ledger::left_meeting(self.ctx, &row, (&account.id, there), times);
            self.ctx.enqueue(&[left]).await?;
        }
        Err(failure)
    }

    /// What is to be done about one that did not make it. `unknown`: what was asked for before is still not known.
    async fn trouble(
        &self,
        ledger: &mut Ledger<'_>,
        account: &Integration,
        trouble: Trouble,
        (unknown, others): (bool, bool),
    ) -> Result<Tried, Failure> {
        let now = self.ctx.now();
        match trouble {
            Trouble::NotAsked(Failure::Snooze { until }) => {
                self.wait(ledger, account, until.date(), "a limit holds", (unknown, others)).await
            }
            Trouble::Answered(Fault::Limited { after, why }) => {
                self.wait(ledger, account, limit_ends(now, after), &why, (unknown, others)).await
            }
            Trouble::NotAsked(Failure::Retry { reason, after }) => {
                self.outage(ledger, account, (&reason, after), (unknown, others)).await
            }
            Trouble::Answered(Fault::Retry { after, why }) => {
                self.outage(ledger, account, (&why, after), (true, others)).await
            }
            Trouble::NotAsked(Failure::Fatal { reason: why })
            | Trouble::Answered(
                Fault::Reconnect { why } | Fault::Refused { why } | Fault::Gone { why } | Fault::Unauthorized { why },
            ) => self.give_up(ledger, account, (&why, None), (unknown, false)).await,
            Trouble::Answered(Fault::Misconfigured { why }) => {
                let until = now + TimeDelta::from_std(OURS).unwrap_or_default();
                self.give_up(ledger, account, (&why, Some(until)), (unknown, false)).await
            }
            Trouble::Answered(Fault::Conflict { why } | Fault::Expired { why }) => Err(Failure::retry(why)),
            Trouble::NotAsked(other @ (Failure::Expired | Failure::Cancelled { .. } | Failure::HandBack)) => Err(other),
        }
    }

    /// A limit ends then: wait for it, or let another one make it if there is one and it takes too long.
    async fn wait(
        &self,
        ledger: &mut Ledger<'_>,
        account: &Integration,
        until: DateTime<Utc>,
        why: &str,
        (unknown, others): (bool, bool),
    ) -> Result<Tried, Failure> {
        if others && until > self.ctx.now() + self.patience() {
            return self.give_up(ledger, account, (why, Some(until)), (unknown, true)).await;
        }
        self.not_asked(ledger, why, unknown).await?;
        Err(Failure::Snooze { until: Millis::at(until) })
    }

    /// It cannot be had: try again, or let another one make it if there is one and it lasts too long.
    async fn outage(
        &self,
        ledger: &mut Ledger<'_>,
        account: &Integration,
        (why, after): (&str, Option<Duration>),
        (unknown, others): (bool, bool),
    ) -> Result<Tried, Failure> {
        let now = self.ctx.now();
        let since = *ledger.row.trouble_since.get_or_insert(now);
        if others && now - since >= self.patience() {
            return self.give_up(ledger, account, (why, Some(now + self.patience())), (unknown, false)).await;
        }
        self.not_asked(ledger, why, unknown).await?;
        Err(Failure::Retry { reason: why.to_owned(), after })
    }

    /// Nothing came of it so far. What is known to be nowhere need not be looked for.
    async fn not_asked(&self, ledger: &mut Ledger<'_>, why: &str, unknown: bool) -> Result<(), Failure> {
        let row = &mut ledger.row;
        row.reason = Some(why.to_owned());
        if !unknown && row.external_id.is_none() {
            row.status = MeetingStatus::Waiting;
        }
        ledger.put().await
    }

    async fn give_up(
        &self,
        ledger: &mut Ledger<'_>,
        account: &Integration,
        (why, until): (&str, Option<DateTime<Utc>>),
        (unknown, limited): (bool, bool),
    ) -> Result<Tried, Failure> {
        ledger.give_up(account, why, until, limited);
        self.not_asked(ledger, why, unknown).await?;
        telling::gave_up(self.ctx, self.booking, account, why);
        Ok(Tried::GaveUp)
    }

    /// Nobody would make it. If somebody may later, wait for the first of them.
    async fn nobody(&self, ledger: &mut Ledger<'_>, others: &[String]) -> Failure {
        let fell_back = ledger.fell_back();
        let next = fell_back.iter().filter(|fell| fell.until.is_some_and(|until| until > self.ctx.now()));
        let why = |fell: &super::ledger::FellBack| format!("{}: {}", fell.provider, fell.reason);
        let reasons: Vec<String> = fell_back.iter().map(why).chain(others.iter().cloned()).collect();
        let said = if reasons.is_empty() {
            "the organizer has no account that makes meetings; connect one".to_owned()
        } else {
            format!("nobody makes the meeting: {}", reasons.join("; "))
        };
        if let Some((until, fell)) = next.filter_map(|fell| Some((fell.until?, fell))).min_by_key(|(until, _)| *until) {
            if fell.limited {
                return Failure::Snooze { until: Millis::at(until) };
            }
            let after = (until - self.ctx.now()).to_std().unwrap_or_default();
            return Failure::retry_after(after, said);
        }
        // One that may be somewhere is still to be looked for, by whoever comes next.
        if ledger.is_unknown() {
            ledger.excuse_all();
        } else {
            ledger.row.status = MeetingStatus::Failed;
        }
        let row = &mut ledger.row;
        (row.organizer_id, row.reason) = (self.booking.organizer_id.clone(), Some(said.clone()));
        if let Err(failure) = ledger.put().await {
            return failure;
        }
        telling::failed(self.ctx, self.booking, &said);
        Failure::fatal(said)
    }

    /// It stands in the row: have everybody told.
    async fn made(&self, ledger: &mut Ledger<'_>) -> Outcome {
        ledger.clean_up().await?;
        telling::made(self.ctx, ledger).await?;
        Ok(Done(Some(telling::result(ledger))))
    }

    /// It was made for this version before: by a run of this job that had no time to tell, or by another job.
    async fn known(&self, ledger: &mut Ledger<'_>) -> Outcome {
        if ledger.row.job_id == self.ctx.id.as_str() {
            return self.made(ledger).await;
        }
        Ok(Done(Some(telling::result(ledger))))
    }

    fn patience(&self) -> TimeDelta {
        TimeDelta::from_std(self.ctx.services.meetings.give_up_after).unwrap_or(TimeDelta::MAX)
    }
}

/// Where the meeting was to take place that is looked for.
fn around(ledger: &Ledger<'_>, booking: &Booking) -> Window {
    let from = ledger.row.starts_at.unwrap_or(booking.starts_at);
    let to = ledger.row.ends_at.unwrap_or(booking.ends_at);
    Window { from, to }
}
