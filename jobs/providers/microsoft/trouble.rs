//! What Graph's refusals mean. It says so by a status and a code; on the way there a text or nothing is possible too.

use reqwest::header::WWW_AUTHENTICATE;

use crate::providers::{
    Fault,
    session::{Reply, Session},
};

/// Said of a delta that has to begin anew; some write it in capitals.
const RESET: &[&str] = &["syncstatenotfound", "syncstateinvalid", "resyncrequired"];

/// What an answer other than 2xx means to whoever writes.
pub(super) fn of(session: &Session, reply: &Reply) -> Fault {
    let code = reply.text("/error/code");
    let why = session.words(reply, code, reply.text("/error/message"));
    let after = reply.retry_after(session.now);
    let status = reply.status.as_u16();
    match (status, code) {
        (429, _) | (_, "ApplicationThrottled") => return Fault::Limited { after, why },
        (300..=399 | 408 | 423 | 425 | 500.., _) => return Fault::Retry { after, why },
        // A proxy or a portal on the way, whatever its status.
        _ if !reply.is_the_providers() => return Fault::Retry { after, why },
        _ => {}
    }
    match (status, code) {
        (400..=499, code) if is_reset(code) => Fault::Expired { why },
        (401, _) if wants_its_owner(reply) => Fault::Reconnect { why },
        (401, _) => Fault::Unauthorized { why },
        // Of an account that has no mailbox, it is said with either status.
        (403 | 404, "MailboxNotEnabledForRESTAPI" | "MailboxNotSupportedForRESTAPI") => Fault::Refused { why },
        (404 | 410, _) => Fault::Gone { why },
        (409 | 412, _) => Fault::Conflict { why },
        _ => Fault::Refused { why },
    }
}

/// The same, to whoever reads changes.
pub(super) fn of_reading(session: &Session, reply: &Reply) -> Fault {
    let status = reply.status.as_u16();
    let why = || session.words(reply, reply.text("/error/code"), reply.text("/error/message"));
    match (status, of(session, reply)) {
        // With a link to begin anew, which we make ourselves. It may have no body.
        (410, _) => Fault::Expired { why: why() },
        // Who may not read any event has not consented to it. What is denied of one event is not the whole account.
        (403, Fault::Refused { why }) if reply.text("/error/code") == "ErrorAccessDenied" => Fault::Reconnect { why },
        (_, fault) => fault,
    }
}

fn is_reset(code: &str) -> bool {
    RESET.contains(&code.to_lowercase().as_str())
}

/// A challenge that no refresh answers: a second factor, or a policy.
fn wants_its_owner(reply: &Reply) -> bool {
    let challenges = reply.headers.get_all(WWW_AUTHENTICATE);
    challenges.iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains("claims="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str) -> String {
        serde_json::json!({"error": {"code": code, "message": "Why.", "innerError": {"date": "2027-01-12"}}})
            .to_string()
    }

    #[test]
    fn every_refusal_of_graph_says_what_to_do() {
        let session = Session::of_a_test();
        for (status, code, writing, reading) in [
            (400, "ErrorInvalidRequest", "refused", "refused"),
            (400, "ErrorPropertyValidationFailure", "refused", "refused"),
            (400, "RequestBodyRead", "refused", "refused"),
            (400, "TimeZoneNotSupportedException", "refused", "refused"),
            (400, "BadRequest", "refused", "refused"),
            (401, "InvalidAuthenticationToken", "unauthorized", "unauthorized"),
            (403, "ErrorAccessDenied", "refused", "reconnect"),
            (403, "Forbidden", "refused", "refused"),
            (403, "MailboxNotEnabledForRESTAPI", "refused", "refused"),
            (404, "MailboxNotEnabledForRESTAPI", "refused", "refused"),
            (404, "ErrorItemNotFound", "gone", "gone"),
            (409, "ConcurrentItemSave", "conflict", "conflict"),
            (409, "ErrorIrresolvableConflict", "conflict", "conflict"),
            (410, "", "gone", "expired"),
            (400, "syncStateNotFound", "expired", "expired"),
            (410, "SyncStateNotFound", "expired", "expired"),
            (404, "resyncRequired", "expired", "expired"),
            (400, "SyncStateInvalid", "expired", "expired"),
            (412, "ErrorIrresolvableConflict", "conflict", "conflict"),
            (423, "", "retry", "retry"),
            (429, "TooManyRequests", "limited", "limited"),
            (429, "ApplicationThrottled", "limited", "limited"),
            (503, "ApplicationThrottled", "limited", "limited"),
            (500, "ErrorInternalServerError", "retry", "retry"),
            (503, "ServiceUnavailable", "retry", "retry"),
            (504, "", "retry", "retry"),
        ] {
            let reply = Reply::of_a_test(status, &[], &said(code));
            assert_eq!(of(&session, &reply).kind(), writing, "{status} {code}");
            assert_eq!(of_reading(&session, &reply).kind(), reading, "{status} {code}");
            assert!(of(&session, &reply).why().contains(code));
        }
    }

    #[test]
    fn a_delta_that_is_gone_needs_no_words() {
        let reply = Reply::of_a_test(410, &[("location", "https://graph.microsoft.com/v1.0/x?$deltatoken=")], "");
        assert_eq!(of_reading(&Session::of_a_test(), &reply).kind(), "expired");
    }

    #[test]
    fn what_is_no_word_of_graph_is_tried_again() {
        let session = Session::of_a_test();
        for status in [302, 400, 401, 403, 404, 409, 412, 423, 500, 503] {
            for body in ["<html>Sign in to the network</html>", "", "The service is unavailable."] {
                let fault = of(&session, &Reply::of_a_test(status, &[("retry-after", "5")], body));
                assert!(matches!(fault, Fault::Retry { after: Some(after), .. } if after.as_secs() == 5), "{status}");
            }
        }
        let limited = of(&session, &Reply::of_a_test(429, &[("retry-after", "11")], "Too many requests"));
        assert!(matches!(limited, Fault::Limited { after: Some(after), .. } if after.as_secs() == 11));
    }

    #[test]
    fn a_challenge_that_only_the_owner_can_meet_is_no_matter_of_a_refresh() {
        let challenge = r#"Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#;
        let reply = Reply::of_a_test(401, &[("www-authenticate", challenge)], &said("InvalidAuthenticationToken"));
        assert_eq!(of(&Session::of_a_test(), &reply).kind(), "reconnect");
    }

    #[test]
    fn a_challenge_needs_no_words() {
        let challenge = [("www-authenticate", "Bearer realm=\"\", error=\"invalid_token\"")];
        let reply = Reply::of_a_test(401, &challenge, "");
        assert_eq!(of(&Session::of_a_test(), &reply).kind(), "unauthorized");
    }
}
