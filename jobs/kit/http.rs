//! The one place where an HTTP status becomes a decision.

use std::time::{Duration, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use liaison_queue::outcome::Failure;
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use super::outbound::{Answer, CallFault};

/// Nobody is believed who asks for longer: we come back after that and ask again.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// What becomes of a call that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// 2xx.
    Done,
    /// Later it may go well; at the earliest after what the other side asked for.
    Again { after: Option<Duration> },
    /// The same would be refused again.
    Never,
}

/// 2xx is done. 408, 425, 429 and 5xx are tried again, and so is 3xx: nobody follows it, but it may be one of a
/// maintenance that passes. Every other status is for good.
#[must_use]
pub fn decide(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> Decision {
    match status.as_u16() {
        200..=299 => Decision::Done,
        300..=399 | 408 | 425 | 429 | 500..=599 => Decision::Again { after: retry_after(headers, now) },
        _ => Decision::Never,
    }
}

/// How long the other side asks us to wait: seconds, or a date in one of the three forms of HTTP. What is malformed is
/// nothing; what has passed is no wait; what is longer than a day is a day.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number has are a long time all the same.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        let now = Duration::from_millis(u64::try_from(now.timestamp_millis()).unwrap_or(0));
        date.saturating_sub(now)
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

impl Answer {
    #[must_use]
    pub fn decision(&self, now: DateTime<Utc>) -> Decision {
        decide(self.status, &self.headers, now)
    }

    /// This answer if it is 2xx, else what becomes of the job. `what` was called, as in `the token endpoint of zoom`.
    ///
    /// # Errors
    /// As [`decide`].
    pub fn or_failure(self, what: &str, now: DateTime<Utc>) -> Result<Self, Failure> {
        let reason = format!("{what} answers {}", self.status);
        match self.decision(now) {
            Decision::Done => Ok(self),
            Decision::Again { after: Some(after) } => Err(Failure::retry_after(after, reason)),
            Decision::Again { after: None } => Err(Failure::retry(reason)),
            Decision::Never => Err(Failure::fatal(reason)),
        }
    }
}

impl CallFault {
    /// What becomes of the job. `what` was called.
    #[must_use]
    pub fn failure(&self, what: &str) -> Failure {
        let reason = format!("{what}: {self}");
        if self.is_permanent() { Failure::fatal(reason) } else { Failure::retry(reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    fn asking(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())])
    }

    #[test]
    fn a_status_is_one_decision() {
        let again = Decision::Again { after: None };
        for (statuses, decision) in [
            (&[200, 201, 202, 204, 206, 299][..], Decision::Done),
            (&[300, 301, 302, 303, 304, 307, 308][..], again),
            (&[408, 425, 429, 500, 501, 502, 503, 504, 599][..], again),
            (
                &[400, 401, 403, 404, 405, 406, 407, 409, 410, 411, 413, 415, 418, 421, 422, 426, 451][..],
                Decision::Never,
            ),
            (&[100, 101, 199, 600, 999][..], Decision::Never),
        ] {
            for status in statuses {
                let status = StatusCode::from_u16(*status).unwrap();
                assert_eq!(decide(status, &HeaderMap::new(), now()), decision, "{status}");
            }
        }
    }

    #[test]
    fn what_the_other_side_asks_for_is_obeyed_within_a_day() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("86400", Some(86_400)),
            ("86401", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("Sat, 28 Nov 2026 12:01:30 GMT", Some(90)),
            ("Saturday, 28-Nov-26 12:01:30 GMT", Some(90)),
            ("Sat Nov 28 12:01:30 2026", Some(90)),
            ("Sat, 28 Nov 2026 11:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("1e9", None),
            ("", None),
            ("soon", None),
            ("Sat, 99 Nov 2026 12:01:30 GMT", None),
        ] {
            assert_eq!(retry_after(&asking(text), now()), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
        let decision = decide(StatusCode::TOO_MANY_REQUESTS, &asking("7"), now());
        assert_eq!(decision, Decision::Again { after: Some(Duration::from_secs(7)) });
        assert_eq!(decide(StatusCode::NOT_FOUND, &asking("7"), now()), Decision::Never);
    }
}
