//! Spans as a collector reads them: the JSON form of `ExportTraceServiceRequest`. Ids are hexadecimal, numbers of 64 bits
//! are strings: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.

use liaison_jobs::{Attribute, Kind, Span};
use serde::{Deserialize, Serialize};

use crate::config::traces::Traces;

/// What all our spans have in common.
pub(super) struct Resource(Vec<Pair<String>>);

impl Resource {
    pub(super) fn of(traces: &Traces, host: &str) -> Self {
        let ours = [
            ("service.name", traces.service.clone()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            // What tells this process from all others, also after a restart under the same number.
            ("service.instance.id", format!("{host}/{}", std::process::id())),
            ("host.name", host.to_owned()),
        ];
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        // What somebody wrote counts more.
        let ours = ours.filter(|(name, _)| traces.attributes.iter().all(|(written, _)| written != name));
        let all = ours.chain(traces.attributes.iter().cloned());
        Self(all.map(|(key, value)| Pair { key, value: Value::Text(value) }).collect())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Attributes<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Attributes<'a> {
    attributes: &'a [Pair<String>],
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<Written<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Pair<&'a str>>,
    status: Status<'a>,
}

#[derive(Serialize)]
struct Pair<T> {
    key: T,
    value: Value<T>,
}

#[derive(Serialize)]
enum Value<T> {
    #[serde(rename = "stringValue")]
    Text(T),
    #[serde(rename = "intValue")]
    Number(String),
}

/// Nothing said means that all is well.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

const ERROR: u8 = 2;

const fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Client => 3,
        Kind::Consumer => 5,
    }
}

/// One delivery.
pub(super) fn request(Resource(attributes): &Resource, spans: &[Span]) -> Vec<u8> {
    let scope = Scope { name: "liaison", version: env!("CARGO_PKG_VERSION") };
    let scope_spans = [ScopeSpans { scope, spans: spans.iter().map(written).collect() }];
    let request = Request { resource_spans: [ResourceSpans { resource: Attributes { attributes }, scope_spans }] };
    serde_json::to_vec(&request).expect("texts and numbers can be written as JSON")
}

fn written(span: &Span) -> Written<'_> {
    let value = |value| match value {
        &Attribute::Number(number) => Value::Number(number.to_string()),
        Attribute::Text(text) => Value::Text(text.as_ref()),
    };
    Written {
        trace_id: format!("{:032x}", span.here.trace),
        span_id: format!("{:016x}", span.here.span),
        parent_span_id: span.parent.map(|parent| format!("{parent:016x}")),
        name: &span.name,
        kind: number(span.kind),
        start_time_unix_nano: span.began.to_string(),
        end_time_unix_nano: span.ended.to_string(),
        attributes: span.attributes.iter().map(|(key, of)| Pair { key: *key, value: value(of) }).collect(),
        status: Status { code: span.failure.is_some().then_some(ERROR), message: span.failure.as_deref() },
    }
}

/// How many spans of a delivery that it took the collector could not use, and what it says to that.
pub(super) fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Partial {
        rejected_spans: serde_json::Value,
        error_message: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        partial_success: Partial,
    }
    let Partial { rejected_spans, error_message } = serde_json::from_slice::<Answer>(answer).ok()?.partial_success;
    // By the standard a string; some write the number.
    let count = rejected_spans.as_u64().or_else(|| rejected_spans.as_str()?.parse().ok())?;
    (count > 0).then_some((count, error_message))
}

#[cfg(test)]
mod tests {
    use liaison_jobs::Traceparent;
    use serde_json::json;

    use super::*;
    use crate::config::{Sources, load};

    fn defaults() -> Traces {
        load(&Sources::default()).expect("the defaults").config.traces
    }

    #[test]
    fn a_delivery_is_written_as_the_standard_says() {
        let traces = Traces { attributes: vec![("host.name".into(), "h".into())], ..defaults() };
        let span = Span {
            here: Traceparent { trace: 0xab, span: 0xcd, sampled: true },
            parent: Some(0xef),
            kind: Kind::Consumer,
            name: "run \"it\"".into(),
            began: 1_700_000_000_123_000_000,
            ended: 1_700_000_000_456_000_000,
            attributes: vec![("text", Attribute::Text("t".into())), ("number", Attribute::Number(-7))],
            failure: Some("why".into()),
        };
        let request: serde_json::Value =
            serde_json::from_slice(&request(&Resource::of(&traces, "this"), &[span])).expect("JSON");
        let of_all = &request["resourceSpans"][0];
        let attributes = of_all["resource"]["attributes"].as_array().expect("a list");
        assert_eq!(attributes[0], json!({"key": "service.name", "value": {"stringValue": "liaison"}}));
        assert_eq!(attributes.last(), Some(&json!({"key": "host.name", "value": {"stringValue": "h"}})));
        assert_eq!(attributes.len(), 4);
        assert_eq!(
            of_all["scopeSpans"][0]["spans"][0],
            json!({
                "traceId": "000000000000000000000000000000ab", "spanId": "00000000000000cd",
                "parentSpanId": "00000000000000ef", "name": "run \"it\"", "kind": 5,
                "startTimeUnixNano": "1700000000123000000", "endTimeUnixNano": "1700000000456000000",
                "attributes": [
                    {"key": "text", "value": {"stringValue": "t"}}, {"key": "number", "value": {"intValue": "-7"}},
                ],
                "status": {"code": 2, "message": "why"},
            })
        );
    }

    #[test]
    fn what_a_collector_could_not_use_is_understood() {
        let of = |text: &str| rejected(text.as_bytes());
        assert_eq!(of(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"m"}}"#), Some((3, "m".into())));
        assert_eq!(of(r#"{"partialSuccess":{"rejectedSpans":3}}"#), Some((3, String::new())));
        for text in ["", "{}", "nonsense", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":{"rejectedSpans":"0"}}"#] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
