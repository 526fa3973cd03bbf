//! `liaison limits`: what passed lately, who waits for its slot, who holds a permit, and what the other side said.

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::{HolderView, LimitKey, LimitView, clock::Millis};

use super::{
    Global, answer, block_on,
    typed::{self, Limit},
    words,
};
use crate::app::App;

#[derive(clap::Subcommand)]
pub(crate) enum LimitsCommand {
    /// The limits that were used lately
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// One of them, with those who hold its permits
    Show {
        /// The limit's key, such as google:user:42; `job:NAME` for how many of a job run at once
        key: String,
    },
    /// Forget what passed a limit and what the other side said of it; who holds a permit keeps it
    Reset {
        /// The limit's key
        key: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(global: &Global, command: &LimitsCommand) -> Result<ExitCode> {
    let app = global.app()?;
    block_on(async {
        match command {
            LimitsCommand::List { limit } => list(&app, limit, global.json).await,
            LimitsCommand::Show { key } => show(&app, key, global.json).await,
            LimitsCommand::Reset { key, yes } => reset(&app, key, *yes, global.json).await,
        }
    })
}

async fn list(app: &App, limit: &Limit, json: bool) -> Result<ExitCode> {
    let mut limits = liaison_queue::limits(&app.link, limit.ask() as usize).await?;
    limit.cut(&mut limits);
    let now = liaison_queue::now(&app.link).await?;
    if json {
        answer::json(&words::with_dates(serde_json::to_value(&limits)?));
    } else if limits.is_empty() {
        answer::line("no limits were used lately");
    } else {
        let rows: Vec<_> = limits.iter().map(|limit| row(limit, now)).collect();
        answer::table(&["LIMIT", "PASSES", "TODAY", "WAITING", "HELD", "NEXT SLOT", ""], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(limit: &LimitView, now: Millis) -> Vec<String> {
    let today = limit.days.iter().rfind(|day| day.began_at <= now.0);
    let today = today.map_or("-".to_owned(), |day| words::count(day.passes.unsigned_abs()));
    let next = limit.next_slot_at.map_or("-".to_owned(), |at| away(at, now));
    let closed = limit.closed_until().map(|until| format!("closed by the other side, opens {}", away(until.0, now)));
    let [passes, waiting, held] = [limit.passes, limit.waiting, limit.held].map(words::count);
    vec![limit.key.to_string(), passes, today, waiting, held, next, closed.unwrap_or_default()]
}

fn away(at: i64, now: Millis) -> String {
    if at > now.0 { format!("in {}", words::span(at - now.0)) } else { "now".to_owned() }
}

async fn reset(app: &App, key: &str, yes: bool, json: bool) -> Result<ExitCode> {
    let key: LimitKey = typed::name(key)?;
    let Some(limit) = liaison_queue::limit(&app.link, key.clone()).await? else {
        bail!(
            "limit {key}: not used lately, so there is nothing to forget; `liaison limits list` shows those that were"
        );
    };
    let passes: u64 = limit.days.iter().map(|day| day.passes.unsigned_abs()).max().unwrap_or(0).max(limit.passes);
    let question = format!(
        "Forget that {} passed {key}? The other side may count on, and refuse the next.",
        words::of(passes, "job")
    );
    if !yes && !answer::confirm(&question)? {
        answer::summary("nothing done", json);
        return Ok(ExitCode::SUCCESS);
    }
    let reset = liaison_queue::reset_limit(&app.link, &key).await?;
    if json {
        answer::json(&serde_json::json!({"limit": key, "reset": reset, "waiting": limit.waiting}));
        return Ok(ExitCode::SUCCESS);
    }
    answer::line(&format!("{key} counts anew"));
    if limit.waiting > 0 {
        let waiting = words::of(limit.waiting, "job");
        answer::note(&format!(
            "{waiting} will come at the time that was said before: `liaison jobs run-now ID` hurries one"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(app: &App, key: &str, json: bool) -> Result<ExitCode> {
    let key: LimitKey = typed::name(key)?;
    let Some(limit) = liaison_queue::limit(&app.link, key.clone()).await? else {
        bail!("limit {key}: not used lately; `liaison limits list` shows those that were");
    };
    if json {
        answer::json(&words::with_dates(serde_json::to_value(&limit)?));
        return Ok(ExitCode::SUCCESS);
    }
    let now = liaison_queue::now(&app.link).await?;
    let at = |time: Option<i64>| time.map(|at| format!("{}, {}", words::date_of(at), away(at, now)));
    let day = |day: &liaison_queue::DayView| {
        format!("{} since {}", words::count(day.passes.unsigned_abs()), words::date_of(day.began_at))
    };
    let days: Vec<_> = limit.days.iter().map(day).collect();
    answer::card(&[
        ("limit", Some(limit.key.to_string())),
        ("passes", Some(words::count(limit.passes))),
        ("oldest pass", limit.oldest_pass_at.map(words::date_of)),
        ("newest pass", limit.newest_pass_at.map(words::date_of)),
        ("days", (!days.is_empty()).then(|| days.join("; "))),
        ("waiting", Some(words::count(limit.waiting))),
        ("next slot", at(limit.next_slot_at)),
        ("last slot", at(limit.last_slot_at)),
        ("late", Some(words::count(limit.late))),
        ("held", Some(words::count(limit.held))),
        ("mean hold", limit.mean_hold_ms.map(words::span)),
        ("blocked until", at(limit.blocked_until)),
        ("remaining", limit.remaining.map(|left| words::count(left.max(0).unsigned_abs()))),
        ("reset", at(limit.reset_at)),
    ]);
    if !limit.holders.is_empty() {
        answer::line("");
        let row = |holder: &HolderView| vec![holder.id.clone(), holder.worker.clone(), away(holder.until, now)];
        answer::table(&["HELD BY", "WORKER", "LAPSES"], &limit.holders.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}
