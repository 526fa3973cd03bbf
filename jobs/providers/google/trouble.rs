//! What Google's refusals mean. It says so by a status and the reason of the first of its errors.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::providers::{
    Fault,
    session::{Reply, Session},
    zones,
};

/// Too many events or invitations: Google counts them over hours and does not say which.
const CALENDAR_USAGE: Duration = Duration::from_hours(2);

/// What an answer other than 2xx means to whoever writes.
pub(super) fn of(session: &Session, reply: &Reply) -> Fault {
    let reason = reply.text("/error/errors/0/reason");
    let why = session.words(reply, reason, reply.text("/error/message"));
    let after = reply.retry_after(session.now);
    let status = reply.status.as_u16();
    match status {
        429 => return Fault::Limited { after, why },
        300..=399 | 408 | 425 | 500.. => return Fault::Retry { after, why },
        // A proxy or a portal on the way, whatever its status.
        _ if !reply.is_the_providers() => return Fault::Retry { after, why },
        _ => {}
    }
    match (status, reason) {
        (401, _) => Fault::Unauthorized { why },
        (403, "dailyLimitExceeded") => Fault::Limited { after: after.or_else(|| until_tomorrow(session.now)), why },
        (403, reason) if is_calendar_usage(reason, reply.text("/error/errors/0/domain")) => {
            Fault::Limited { after: after.or(Some(CALENDAR_USAGE)), why }
        }
        (403, "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded") => Fault::Limited { after, why },
        (403, "insufficientPermissions") => Fault::Reconnect { why },
        (403, "accessNotConfigured") => Fault::Misconfigured { why },
        (410, "fullSyncRequired" | "updatedMinTooLongAgo") => Fault::Expired { why },
        (404 | 410, _) => Fault::Gone { why },
        (409 | 412, _) => Fault::Conflict { why },
        _ => Fault::Refused { why },
    }
}

/// The same, to whoever reads changes: a token of ours that is refused is one that has expired, whatever it is called.
pub(super) fn of_reading(session: &Session, reply: &Reply) -> Fault {
    let location = reply.text("/error/errors/0/location");
    match of(session, reply) {
        Fault::Refused { why } if matches!(location, "pageToken" | "syncToken") => Fault::Expired { why },
        fault => fault,
    }
}

fn is_calendar_usage(reason: &str, domain: &str) -> bool {
    reason.starts_with("calendarUsageLimits") || (reason == "quotaExceeded" && domain == "calendar")
}

/// Google's days begin at midnight in California.
fn until_tomorrow(now: DateTime<Utc>) -> Option<Duration> {
    let zone = Tz::America__Los_Angeles;
    let tomorrow = now.with_timezone(&zone).date_naive().checked_add_days(Days::new(1))?;
    zones::instant(zone, tomorrow.and_time(NaiveTime::MIN))?.signed_duration_since(now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(domain: &str, reason: &str, location: &str, code: u16) -> String {
        serde_json::json!({"error": {
            "errors": [{"domain": domain, "reason": reason, "message": "Why.", "location": location}],
            "code": code,
            "message": "Why.",
        }})
        .to_string()
    }

    #[test]
    fn every_refusal_of_google_says_what_to_do() {
        let session = Session::of_a_test();
        for (status, domain, reason, wanted) in [
            (400, "global", "invalid", "refused"),
            (400, "global", "required", "refused"),
            (400, "calendar", "timeRangeEmpty", "refused"),
            (400, "global", "badRequest", "refused"),
            (400, "global", "parseError", "refused"),
            (401, "global", "authError", "unauthorized"),
            (403, "usageLimits", "rateLimitExceeded", "limited"),
            (403, "usageLimits", "userRateLimitExceeded", "limited"),
            (403, "usageLimits", "quotaExceeded", "limited"),
            (429, "usageLimits", "rateLimitExceeded", "limited"),
            (403, "usageLimits", "dailyLimitExceeded", "limited"),
            (403, "calendar", "quotaExceeded", "limited"),
            (403, "global", "forbidden", "refused"),
            (403, "global", "insufficientPermissions", "reconnect"),
            (403, "calendar", "forbiddenForNonOrganizer", "refused"),
            (403, "usageLimits", "accessNotConfigured", "misconfigured"),
            (404, "global", "notFound", "gone"),
            (409, "global", "duplicate", "conflict"),
            (409, "global", "conflict", "conflict"),
            (410, "calendar", "fullSyncRequired", "expired"),
            (410, "calendar", "updatedMinTooLongAgo", "expired"),
            (410, "global", "deleted", "gone"),
            (412, "global", "conditionNotMet", "conflict"),
            (500, "global", "backendError", "retry"),
            (502, "global", "", "retry"),
            (503, "global", "backendError", "retry"),
        ] {
            let fault = of(&session, &Reply::of_a_test(status, &[], &said(domain, reason, "", status)));
            assert_eq!(fault.kind(), wanted, "{status} {reason}");
            assert!(fault.why().contains(&format!("{status}")) && fault.why().contains(reason), "{fault}");
        }
    }

    #[test]
    fn what_is_no_word_of_google_is_tried_again() {
        let session = Session::of_a_test();
        for status in [302, 400, 401, 403, 404, 409, 410, 412, 500, 503] {
            for body in ["<html>Sign in to the network</html>", "", "[]"] {
                let fault = of(&session, &Reply::of_a_test(status, &[], body));
                assert_eq!(fault.kind(), "retry", "{status} {body}");
            }
        }
    }

    #[test]
    fn what_google_asks_for_is_waited_and_else_until_its_limit_ends() {
        let session = Session::of_a_test();
        let after = |status: u16, domain: &str, reason: &str, headers: &[(&'static str, &str)]| match of(
            &session,
            &Reply::of_a_test(status, headers, &said(domain, reason, "", status)),
        ) {
            Fault::Limited { after, .. } | Fault::Retry { after, .. } => after.map(|after| after.as_secs()),
            fault => panic!("{fault:?}"),
        };
        assert_eq!(after(403, "usageLimits", "rateLimitExceeded", &[]), None);
        assert_eq!(after(403, "usageLimits", "rateLimitExceeded", &[("retry-after", "7")]), Some(7));
        assert_eq!(after(503, "global", "backendError", &[("retry-after", "9")]), Some(9));
        assert_eq!(after(403, "calendar", "quotaExceeded", &[]), Some(2 * 3600));
        // It is noon UTC, four in the morning in California.
        assert_eq!(after(403, "usageLimits", "dailyLimitExceeded", &[]), Some(20 * 3600));
    }

    #[test]
    fn a_token_that_is_refused_while_reading_is_one_that_has_expired() {
        let session = Session::of_a_test();
        for (location, wanted) in [("pageToken", "expired"), ("syncToken", "expired"), ("timeMin", "refused")] {
            let reply = Reply::of_a_test(400, &[], &said("global", "invalid", location, 400));
            assert_eq!(of_reading(&session, &reply).kind(), wanted, "{location}");
        }
    }

    #[test]
    fn a_challenge_needs_no_words() {
        let challenge = [("www-authenticate", "Bearer realm=\"\", error=\"invalid_token\"")];
        let reply = Reply::of_a_test(401, &challenge, "");
        assert_eq!(of(&Session::of_a_test(), &reply).kind(), "unauthorized");
    }
}
