//! The row of a booking's meeting, as a run reads and changes it.

use chrono::{DateTime, Utc};
use liaison_queue::outcome::Failure;
use liaison_store::{Integration, Meeting, MeetingStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kit::{Booking, Context, store_failure};

/// A row, and whoever changes it.
pub(super) struct Ledger<'a> {
    ctx: &'a Context,
    pub(super) row: Meeting,
}

/// Who was given up for this version of the booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FellBack {
    pub(super) provider: String,
    pub(super) integration_id: String,
    pub(super) reason: String,
    pub(super) at: DateTime<Utc>,
    /// Then it is worth asking again; none: the same would be refused again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<DateTime<Utc>>,
    /// What keeps it is a limit: to wait for it is no attempt.
    #[serde(default)]
    pub(super) limited: bool,
    /// Something may be left there, to be taken away when there is another meeting.
    #[serde(default)]
    pub(super) left: bool,
    /// A job was asked to take that away, and may not have done so yet: whoever returns looks whether it still stands.
    #[serde(default)]
    pub(super) leaving: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) external_id: Option<String>,
    /// When what is left there was to take place: there it is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) starts_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ends_at: Option<DateTime<Utc>>,
}

impl FellBack {
    /// It was given up for an earlier version, and is only remembered for what may still stand there.
    pub(super) fn is_of_before(&self) -> bool {
        self.leaving && self.until == Some(DateTime::<Utc>::UNIX_EPOCH)
    }
}

impl<'a> Ledger<'a> {
    pub(super) async fn open(
        ctx: &'a Context,
        booking_id: &str,
        version: i64,
        organizer_id: &str,
    ) -> Result<Self, Failure> {
        let found = ctx.store()?.meeting(booking_id).await.map_err(|fault| store_failure(&fault))?;
        let row = found.unwrap_or_else(|| Meeting::new(booking_id, version, organizer_id, ctx.now()));
        Ok(Self { ctx, row })
    }

    /// Write the row as it is now.
    pub(super) async fn put(&mut self) -> Result<(), Failure> {
        self.ctx.id.as_str().clone_into(&mut self.row.job_id);
        let put = self.ctx.store()?.put_meeting(self.row.clone(), self.ctx.now()).await;
        match put.map_err(|fault| store_failure(&fault))? {
            Some(turn) => {
                self.row.turn = turn;
                Ok(())
            }
            None => Err(Failure::retry(format!(
                "another job has changed the meeting of booking {} meanwhile",
                self.row.booking_id
            ))),
        }
    }

    /// Nobody knows whether there is a meeting at the provider that was asked.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.row.status, MeetingStatus::Intended | MeetingStatus::Removing) && self.row.external_id.is_none()
    }

    /// There is one, or may be.
    pub(super) fn may_be_there(&self) -> bool {
        let row = &self.row;
        row.status != MeetingStatus::Removed
            && row.integration_id.is_some()
            && (row.external_id.is_some() || self.is_unknown())
    }

    pub(super) fn fell_back(&self) -> Vec<FellBack> {
        serde_json::from_str(&self.row.fell_back).unwrap_or_default()
    }

    pub(super) fn set_fell_back(&mut self, all: &[FellBack]) {
        self.row.fell_back = json!(all).to_string();
    }

    /// This account is given up for now, and why.
    pub(super) fn given_up(&self, account: &Integration) -> Option<FellBack> {
        let now = self.ctx.now();
        let of = |fell: &FellBack| fell.integration_id == account.id && fell.until.is_none_or(|until| until > now);
        self.fell_back().into_iter().find(of)
    }

    pub(super) fn give_up(&mut self, account: &Integration, reason: &str, until: Option<DateTime<Utc>>, limited: bool) {
        let mut all = self.fell_back();
        let at = self.ctx.now();
        match all.iter_mut().find(|fell| fell.integration_id == account.id) {
            Some(fell) => (fell.reason, fell.at, fell.until, fell.limited) = (reason.to_owned(), at, until, limited),
            None => all.push(FellBack {
                provider: account.provider.clone(),
                integration_id: account.id.clone(),
                reason: reason.to_owned(),
                at,
                until,
                limited,
                left: false,
                leaving: false,
                external_id: None,
                starts_at: None,
                ends_at: None,
            }),
        }
        self.set_fell_back(&all);
        self.row.trouble_since = None;
    }

    /// A version that nobody was asked for yet: who was given up for the one before is worth asking again. What was left
    /// somewhere still is.
    pub(super) fn begin_version(&mut self, version: i64) {
        if self.row.status == MeetingStatus::Removed {
            self.forget();
            (self.row.status, self.row.provider, self.row.integration_id) = (MeetingStatus::Waiting, None, None);
        }
        self.row.version = version;
        self.row.trouble_since = None;
        self.row.reason = None;
        let left: Vec<FellBack> = self.fell_back().into_iter().filter(|fell| fell.left || fell.leaving).collect();
        let worth_asking = |fell| FellBack { until: Some(DateTime::<Utc>::UNIX_EPOCH), ..fell };
        self.set_fell_back(&left.into_iter().map(worth_asking).collect::<Vec<_>>());
    }

    /// Turn to this account. What there is, or may be, at another one is left there; what was left at this one before is
    /// taken back, to be looked for.
    pub(super) fn turn_to(&mut self, account: &Integration) {
        if self.row.integration_id.as_ref() != Some(&account.id) {
            if self.may_be_there() {
                self.leave();
            }
            self.forget();
            (self.row.status, self.row.trouble_since) = (MeetingStatus::Waiting, None);
            self.take_back(account);
        }
        self.row.provider = Some(account.provider.clone());
        self.row.integration_id = Some(account.id.clone());
    }

    fn leave(&mut self) {
        let mut all = self.fell_back();
        let row = &self.row;
        let there = row.integration_id.clone().unwrap_or_default();
        let known = all.iter().position(|fell| fell.integration_id == there);
        let new = || FellBack {
            provider: row.provider.clone().unwrap_or_default(),
            integration_id: there,
            reason: "another provider is asked".to_owned(),
            at: self.ctx.now(),
            until: Some(DateTime::<Utc>::UNIX_EPOCH),
            limited: false,
            left: true,
            leaving: false,
            external_id: None,
            starts_at: None,
            ends_at: None,
        };
        let before = known.map_or_else(new, |at| all.remove(at));
        let (starts_at, ends_at) = (row.starts_at, row.ends_at);
        let left =
            FellBack { left: true, leaving: false, external_id: row.external_id.clone(), starts_at, ends_at, ..before };
        all.insert(known.unwrap_or(all.len()), left);
        self.set_fell_back(&all);
    }

    fn take_back(&mut self, account: &Integration) {
        let mut all = self.fell_back();
        let is_there = |fell: &&mut FellBack| (fell.left || fell.leaving) && fell.integration_id == account.id;
        let Some(fell) = all.iter_mut().find(is_there) else { return };
        (fell.left, fell.leaving) = (false, false);
        let row = &mut self.row;
        (row.status, row.external_id) = (MeetingStatus::Intended, fell.external_id.take());
        (row.starts_at, row.ends_at) = (fell.starts_at.or(row.starts_at), fell.ends_at.or(row.ends_at));
        self.set_fell_back(&all);
    }

    /// Nobody knows whether it is there, or how it is joined.
    pub(super) fn is_to_be_looked_for(&self) -> bool {
        self.is_unknown() || (self.row.external_id.is_some() && self.row.join_url.is_none())
    }

    /// Whoever comes next may ask those again who would refuse the same again.
    pub(super) fn excuse_all(&mut self) {
        let over = |fell: FellBack| FellBack { until: fell.until.or(Some(DateTime::<Utc>::UNIX_EPOCH)), ..fell };
        let all: Vec<FellBack> = self.fell_back().into_iter().map(over).collect();
        self.set_fell_back(&all);
    }

    /// There is no meeting any more.
    pub(super) fn forget(&mut self) {
        let row = &mut self.row;
        (row.external_id, row.join_url, row.host_url, row.passcode, row.made_for) = (None, None, None, None, None);
    }

    /// Have what was left at other providers taken away: from then on it is that job's. Asking twice is asking once.
    pub(super) async fn clean_up(&mut self) -> Result<(), Failure> {
        let mut all = self.fell_back();
        let (ctx, row) = (self.ctx, &self.row);
        let times = |fell: &FellBack| (fell.starts_at.or(row.starts_at), fell.ends_at.or(row.ends_at));
        let of =
            |fell: &FellBack| left_meeting(ctx, row, (&fell.integration_id, fell.external_id.as_deref()), times(fell));
        let jobs: Vec<Value> = all.iter().filter(|fell| fell.left).map(of).collect();
        if jobs.is_empty() {
            return Ok(());
        }
        ctx.enqueue(&jobs).await?;
        for fell in all.iter_mut().filter(|fell| fell.left) {
            (fell.left, fell.leaving) = (false, true);
        }
        self.set_fell_back(&all);
        self.put().await
    }
}

/// The job that takes away what is left of a booking at an account, where it was to take place then.
pub(super) fn left_meeting(
    ctx: &Context,
    row: &Meeting,
    (integration_id, external_id): (&str, Option<&str>),
    (starts_at, ends_at): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
) -> Value {
    let key = Booking::key(&row.booking_id);
    let of = crate::kit::digest(&[integration_id, external_id.unwrap_or_default()]);
    json!({
        "job": "remove_left_meeting",
        "id": format!("left:{key}:{of}:{}", row.version),
        "queue": ctx.queue(),
        "args": {
            "booking_id": row.booking_id,
            "integration_id": integration_id,
            "external_id": external_id,
            "starts_at": starts_at,
            "ends_at": ends_at,
        },
    })
}
