//! The answers: plain text for people and probes, JSON for whoever says so.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    metrics::{self, Depths, States},
    vitals::Condition,
};

/// Who is asked.
pub(crate) struct Asked {
    pub(crate) condition: Condition,
    pub(crate) depths: Depths,
    pub(crate) slots: u32,
}

const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

pub(crate) fn router(asked: Asked) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .fallback(unknown)
        .method_not_allowed_fallback(not_asked)
        .with_state(Arc::new(asked))
}

/// Whether the process progresses: what does not is mended by a restart.
async fn healthz(State(asked): State<Arc<Asked>>, headers: HeaderMap) -> Response {
    let report = asked.condition.report();
    let stuck: Vec<Value> = report
        .stuck
        .iter()
        .map(|stuck| json!({"part": stuck.part, "silent_seconds": stuck.silent.as_secs()}))
        .collect();
    let lines: Vec<_> = report.stuck.iter().map(|stuck| format!("{} is stuck", stuck.part)).collect();
    answer(report.is_healthy(), "healthy", &lines, &json!({"healthy": report.is_healthy(), "stuck": stuck}), &headers)
}

/// Whether nothing is missing; if not, everything that is.
async fn readyz(State(asked): State<Arc<Asked>>, headers: HeaderMap) -> Response {
    let report = asked.condition.report();
    let reasons = report.reasons();
    let lines: Vec<_> = reasons.iter().map(crate::vitals::Reason::line).collect();
    answer(report.is_ready(), "ready", &lines, &json!({"ready": report.is_ready(), "reasons": reasons}), &headers)
}

fn answer(good: bool, word: &str, lines: &[String], json: &Value, headers: &HeaderMap) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if wants_json(headers) {
        return in_json(status, json);
    }
    let text = if lines.is_empty() { format!("{word}\n") } else { lines.join("\n") + "\n" };
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn metrics_text(State(asked): State<Arc<Asked>>) -> Response {
    let (report, flows) = (asked.condition.report(), asked.condition.flows());
    States::refresh(&report, &asked.depths, &flows, asked.slots);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::text()).into_response()
}

async fn unknown(uri: Uri) -> Response {
    // As much of it as a person reads, and nothing of a query, which may hold anything.
    let path: String = uri.path().chars().take(100).collect();
    in_json(StatusCode::NOT_FOUND, &json!({"error": format!("nothing is at {path}"), "paths": PATHS}))
}

async fn not_asked() -> Response {
    in_json(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "only GET and HEAD are answered here", "paths": PATHS}))
}

fn in_json(status: StatusCode, value: &Value) -> Response {
    let head = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, head, format!("{value}\n")).into_response()
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|text| text.contains("json")))
}
