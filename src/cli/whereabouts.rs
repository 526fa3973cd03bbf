//! A job that Redis knows, in words and for programs.

use liaison_queue::{Whereabouts, clock::Millis, state::State};
use serde_json::Value;

use super::words;

/// What is worth knowing in its state, beside the state.
pub(crate) fn detail(job: &Whereabouts, now: Millis) -> String {
    match job.state {
        State::Ready => {
            let place = job.place.map_or("far back".to_owned(), |place| format!("place {}", words::count(place)));
            let band = job.priority;
            format!("{place} in band {band}, waiting for {}", words::span(now.0 - job.enqueued_at))
        }
        State::Scheduled => {
            let due = job.due_at.unwrap_or(now.0);
            let tried = match job.attempts {
                0 => String::new(),
                n => format!(", after {} failed", words::of(n.into(), "attempt")),
            };
            let when = if due > now.0 { format!("due in {}", words::span(due - now.0)) } else { "due now".to_owned() };
            format!("{when}, at {}{tried}", words::date_of(due))
        }
        State::Running => {
            let worker = job.worker.as_deref().unwrap_or("a worker");
            let attempt = job.attempts + 1;
            match job.running_since {
                Some(since) => format!("for {} on {worker}, attempt {attempt}", words::span(now.0 - since)),
                None => format!("claimed by {worker}, attempt {attempt}"),
            }
        }
        State::Departing => format!("waits to be recorded as {}", job.verdict.as_deref().unwrap_or("ended")),
        State::Waiting => {
            let lane = job.lane.as_deref().unwrap_or_default();
            format!("in lane {lane}, waiting for {}", words::span(now.0 - job.enqueued_at))
        }
        State::Suspect => "was there when a process died; waits to run apart from other jobs".to_owned(),
        State::Done | State::Dead | State::Expired | State::Cancelled | State::Replaced => String::new(),
    }
}

/// With the fields of [`Whereabouts`], and instants as dates.
pub(crate) fn json(job: &Whereabouts) -> Value {
    words::with_dates(serde_json::to_value(job).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_queue::{JobId, QueueName, state::Priority};

    fn job(state: State) -> Whereabouts {
        Whereabouts {
            id: JobId::parse("a").unwrap(),
            queue: QueueName::default_queue(),
            state,
            job: Some("noop".into()),
            priority: Priority::Normal,
            lane: Some("user:1".into()),
            enqueued_at: 1_000,
            place: Some(1_200),
            due_at: Some(63_000),
            worker: Some("w1".into()),
            running_since: Some(2_500),
            runs: 2,
            attempts: 1,
            crashes: 0,
            verdict: Some("dead crashed".into()),
        }
    }

    #[test]
    fn every_state_says_what_matters_in_it() {
        let said = |state| detail(&job(state), Millis(3_000));
        assert_eq!(said(State::Ready), "place 1,200 in band normal, waiting for 2.0 seconds");
        assert_eq!(said(State::Scheduled), "due in 60 seconds, at 1970-01-01T00:01:03.000Z, after 1 attempt failed");
        assert_eq!(said(State::Running), "for 500 ms on w1, attempt 2");
        assert_eq!(said(State::Departing), "waits to be recorded as dead crashed");
    }

    #[test]
    fn programs_get_the_names_of_the_fields_and_dates() {
        let value = json(&job(State::Scheduled));
        assert_eq!(value["due_at"], "1970-01-01T00:01:03.000Z");
        assert_eq!((value["state"].as_str(), value["runs"].as_u64()), (Some("scheduled"), Some(2)));
    }
}
