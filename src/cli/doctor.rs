//! `liaison doctor`: how the living system is, and what to do about what is wrong with it.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{Global, answer, words};
use crate::{
    app::App,
    doctor::{self, Finding, Severity},
    telemetry,
};

#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    /// Show what is well, too
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(global: &Global, args: &DoctorArgs) -> Result<ExitCode> {
    let loaded = global.load(Vec::new(), None)?;
    for warning in &loaded.warnings {
        answer::note(&warning.to_string());
    }
    telemetry::start(&loaded.config.log);
    let app = App::new(loaded.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(doctor::examine(&app));
    // A call that hangs in a driver must not keep us from saying so.
    runtime.shutdown_background();
    show(&findings, args.all, global.json);
    let is_bad = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(findings: &[Finding], all: bool, json: bool) {
    if json {
        let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
        return answer::json(&json!({"worst": worst, "findings": findings}));
    }
    let mut shown: Vec<&Finding> = findings.iter().filter(|finding| all || finding.severity != Severity::Ok).collect();
    // The worst first.
    shown.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for Finding { check, severity, place, what, remedy } in shown {
        answer::line(&words::plain(&format!("{:<8}{:<20} {place}: {what}", severity.as_str(), check.as_str())));
        if let Some(remedy) = remedy {
            answer::line(&format!("{:<28} → {}", "", words::plain(remedy)));
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.severity == wanted).count() as u64;
    let errors = words::of(count(Severity::Error), "error");
    let warnings = words::of(count(Severity::Warning), "warning");
    let advice = words::of(count(Severity::Advice), "piece");
    let well = words::of(count(Severity::Ok), "look");
    answer::line(&format!("{errors}, {warnings}, {advice} of advice; {well} found nothing"));
}
