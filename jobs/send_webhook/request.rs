//! The request: the headers of both conventions, signed over the very bytes that are sent.

use std::time::Duration;

use liaison_queue::outcome::Failure;
use liaison_store::{Endpoint, EndpointSecrets};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use super::{WebhookSettings, parcel::Parcel};
use crate::kit::{Secret, outbound::Call, signature};

/// What says who sends and what: an endpoint may not set these itself.
const OURS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Nor any that begins so.
const OUR_BEGINNINGS: &[&str] = &["webhook-", "x-webhook-"];

/// Whether an endpoint may have this header.
///
/// # Errors
/// What is wrong with it; never its value, which may be a secret.
pub fn check_header(name: &str, value: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err("that is no name of a header".to_owned());
    }
    if OURS.contains(&lower.as_str()) || OUR_BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning)) {
        return Err(format!("{lower} is set by us and cannot be another"));
    }
    if HeaderValue::from_str(value).is_err() {
        return Err(format!("the value of {lower} has characters that no header can have"));
    }
    Ok(())
}

/// Whether the plain signature may stand in this header.
///
/// # Errors
/// What is wrong with it.
pub fn check_signature_header(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    let taken = ["x-webhook-event", "x-webhook-delivery", "x-webhook-timestamp"];
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err("that is no name of a header".to_owned());
    }
    if OURS.contains(&lower.as_str()) || taken.contains(&lower.as_str()) || lower.starts_with("webhook-") {
        return Err(format!("{lower} has another meaning; use X-Webhook-Signature, or one of your own"));
    }
    Ok(())
}

/// One attempt's call. The time is that of the attempt, in seconds since the epoch.
pub(super) fn call(
    (endpoint, secrets): (&Endpoint, &EndpointSecrets),
    parcel: &Parcel,
    (seconds, now): (i64, chrono::DateTime<chrono::Utc>),
    trace: Option<String>,
    settings: &WebhookSettings,
) -> Result<Call, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in &secrets.headers {
        // They were checked when they came; what a host wrote past us is left out rather than stopping everything.
        if check_header(name, value).is_ok() {
            set(&mut headers, name, value)?;
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let stamp = seconds.to_string();
    for (name, value) in
        [("x-webhook-event", &parcel.event), ("x-webhook-delivery", &parcel.id), ("x-webhook-timestamp", &stamp)]
    {
        set(&mut headers, name, value)?;
    }
    if let Some(trace) = trace {
        set(&mut headers, "traceparent", &trace)?;
    }
    sign((endpoint, secrets), parcel, (seconds, now), &mut headers)?;
    let method = Method::from_bytes(endpoint.method.as_bytes())
        .map_err(|_| Failure::fatal(format!("endpoint {}: {} is no method", endpoint.id, endpoint.method)))?;
    let timeout = Duration::from_secs(u64::try_from(endpoint.timeout_seconds).unwrap_or(1).max(1));
    let mut call = Call::new(method, endpoint.webhook_url.as_str());
    (call.headers, call.body) = (headers, parcel.body.clone());
    Ok(call.within(timeout.min(settings.max_timeout)))
}

/// With the secret, and with the one before it while that still holds.
fn sign(
    (endpoint, secrets): (&Endpoint, &EndpointSecrets),
    parcel: &Parcel,
    (seconds, now): (i64, chrono::DateTime<chrono::Utc>),
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    let unsigned = |fault| Failure::fatal(format!("endpoint {}: {fault}", endpoint.id));
    let standard = endpoint.signature != "plain";
    if standard {
        set(headers, "webhook-id", &parcel.id)?;
        set(headers, "webhook-timestamp", &seconds.to_string())?;
    }
    let Some(current) = secrets.current.as_deref().map(Secret::new) else { return Ok(()) };
    if endpoint.signature != "standard" {
        let signature = signature::plain(&current, &parcel.body, endpoint.signature_prefix).map_err(unsigned)?;
        set(headers, &endpoint.signature_header, &signature)?;
    }
    if standard {
        let old = secrets.old.as_deref().filter(|_| endpoint.old_secret_until.is_some_and(|until| now < until));
        let both: Vec<Secret> = [current].into_iter().chain(old.map(Secret::new)).collect();
        let signature = signature::standard(&both, &parcel.id, seconds, &parcel.body).map_err(unsigned)?;
        set(headers, "webhook-signature", &signature)?;
    }
    Ok(())
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Failure> {
    let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
    let (name, value) = pair.ok_or_else(|| Failure::fatal(format!("the header {name} cannot be written")))?;
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_sets_no_header_of_ours() {
        for name in ["Host", "content-TYPE", "Webhook-Id", "X-Webhook-Signature", "traceparent", "Transfer-Encoding"] {
            assert!(check_header(name, "x").is_err(), "{name}");
        }
        for name in ["", "a b", "a:b", "ä", "a\n"] {
            assert!(check_header(name, "x").is_err(), "{name:?}");
        }
        let refusal = check_header("X-Key", "hunter2\r\nHost: evil").unwrap_err();
        assert!(!refusal.contains("hunter2"), "{refusal}");
        assert!(check_header("Authorization", "Bearer x").is_ok() && check_header("X-Tenant", "7").is_ok());
        assert!(check_signature_header("X-Hub-Signature-256").is_ok() && check_signature_header("Host").is_err());
    }
}
