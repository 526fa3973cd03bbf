//! Named points between two steps, at which a test breaks this process: where it hurts most.
//!
//! Only with the feature `faults`, which the tests ask for and nothing else does: see `[dev-dependencies]` of the
//! daemon. In every other build a point is an empty function, and no plan can be read.

use crate::state::closed_set;

closed_set! {
    /// A place between two steps. Each stands in the code once.
    Point {
        /// The inbox was looked at; nothing is admitted.
        InboxSeen => "inbox_seen",
        /// Lines have become jobs; what belongs elsewhere is not sent on.
        Admitted => "admitted",
        /// Lines for another queue are jobs there, and are still kept here.
        SentOn => "sent_on",
        /// Redis has promoted what was due and leased it to us; nothing here knows of it.
        AfterClaim => "after_claim",
        BeforeHandler => "before_handler",
        AfterHandler => "after_handler",
        BeforeCommit => "before_commit",
        AfterCommit => "after_commit",
        /// What ends without a run is recorded; Redis has not heard of it.
        DepartureRecorded => "departure_recorded",
        BeforeAck => "before_ack",
        /// Jobs have left; their claim is still kept here.
        AfterAck => "after_ack",
        /// The row of a retry stands; the job is not parked.
        BeforePark => "before_park",
        AfterPark => "after_park",
        /// Leases were extended.
        Extended => "extended",
        /// The jobs of a dead worker were taken back; nobody was started for them.
        Reaped => "reaped",
        /// The process for suspects was started.
        ForSuspects => "for_suspects",
        /// Ticks are decided; their jobs are not enqueued.
        TickDecided => "tick_decided",
        /// The jobs of ticks are in their queues; the history does not know of them.
        TickEnqueued => "tick_enqueued",
        /// The rows of ticks stand; what is left of them is not struck out.
        TickRecorded => "tick_recorded",
        /// A provider is about to be asked for new tokens.
        BeforeTokenCall => "before_token_call",
        /// It has answered; nothing is written.
        TokenAnswered => "token_answered",
        /// The answer is in the spool; the row does not know of it.
        TokenSpooled => "token_spooled",
        /// The tokens stand in the row; the spool still has them.
        TokenStored => "token_stored",
        /// An owner is back with a state, which is used up; nothing was asked for with his code.
        StateUsed => "state_used",
        /// His code has brought tokens; nothing is written.
        CodeRedeemed => "code_redeemed",
        /// His account stands in its row; its first synchronisation is not asked for.
        AccountConnected => "account_connected",
        /// What is wanted is noted; nobody was asked for the meeting yet.
        BeforeMeetingCall => "before_meeting_call",
        /// Whoever was asked for the meeting has answered; nothing is written.
        MeetingAnswered => "meeting_answered",
        /// The meeting stands in its row; nobody was told.
        MeetingStored => "meeting_stored",
        /// A booking is to be written into a calendar, and was not taken out so far; nothing is noted.
        EventUnnoted => "event_unnoted",
        /// That is noted; whether it was taken out meanwhile was not looked at again.
        EventNoted => "event_noted",
        /// The same three as of a meeting, of an event in a calendar.
        BeforeEventCall => "before_event_call",
        EventAnswered => "event_answered",
        EventStored => "event_stored",
        /// Another configuration is judged, and not taken.
        Reloading => "reloading",
    }
}

closed_set! {
    /// What happens to the process at a point.
    Deed {
        /// As by `kill -9`.
        Kill => "kill",
        /// It stands still, as a machine that was suspended, until somebody lets it go on.
        Freeze => "freeze",
    }
}

/// Whether this build has fault points.
pub const ENABLED: bool = cfg!(feature = "faults");

/// The process has come here.
#[cfg(not(feature = "faults"))]
#[inline]
pub const fn at(_: Point) {}

/// The process has come here, if that is so.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn at_if(_: Point, _: impl FnOnce() -> bool) {}

/// Without fault points, no plan is good.
///
/// # Errors
/// Always.
#[cfg(not(feature = "faults"))]
pub fn arm(_: &str, _: &str, _: fn(Deed)) -> Result<(), String> {
    Err("this build has no fault points; unset it".to_owned())
}

#[cfg(feature = "faults")]
pub use self::armed::{arm, at, at_if};

#[cfg(feature = "faults")]
mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    use super::{Deed, Point};

    static PLAN: OnceLock<Plan> = OnceLock::new();

    #[derive(Debug)]
    struct Plan {
        faults: Vec<Fault>,
        strike: fn(Deed),
    }

    #[derive(Debug)]
    struct Fault {
        point: Point,
        deed: Deed,
        /// At which of its visits.
        visit: u32,
        visits: AtomicU32,
    }

    /// Plan faults: `POINT:DEED@VISIT,…`. One that begins with `PART/` is for the process of that part; the others are
    /// for the daemon, whose part is `none`.
    ///
    /// # Errors
    /// What is wrong with the plan.
    pub fn arm(plan: &str, part: &str, strike: fn(Deed)) -> Result<(), String> {
        let mut faults = Vec::new();
        for text in plan.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (whose, text) = text.split_once('/').unwrap_or(("none", text));
            let fault = parse(text).ok_or_else(|| format!("`{text}` is no fault; write POINT:DEED@VISIT"))?;
            if whose == part {
                faults.push(fault);
            }
        }
        PLAN.set(Plan { faults, strike }).map_err(|_| "a plan was made before".to_owned())
    }

    fn parse(text: &str) -> Option<Fault> {
        let (point, deed) = text.split_once(':')?;
        let (deed, visit) = deed.split_once('@').unwrap_or((deed, "1"));
        let (point, deed) = (point.parse().ok()?, deed.parse().ok()?);
        Some(Fault { point, deed, visit: visit.parse().ok()?, visits: AtomicU32::new(0) })
    }

    /// The process has come here.
    pub fn at(point: Point) {
        let Some(Plan { faults, strike }) = PLAN.get() else { return };
        for fault in faults.iter().filter(|fault| fault.point == point) {
            if fault.visits.fetch_add(1, Ordering::Relaxed) + 1 == fault.visit {
                strike(fault.deed);
            }
        }
    }

    /// The process has come here, if that is so.
    pub fn at_if(point: Point, holds: impl FnOnce() -> bool) {
        if PLAN.get().is_some() && holds() {
            at(point);
        }
    }
}
