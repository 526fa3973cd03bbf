//! `liaison logs`: what was done with integrations, in words; and which of it must be kept whatever its age.

mod follow;
mod holds;
mod lines;

use std::process::ExitCode;

use anyhow::Result;
use chrono::{DateTime, Utc};
use liaison_store::{LogFilter, LogLine, Store};

use self::lines::{Form, HEADINGS};
use super::{Global, answer, block_on, typed};

/// Lines read at a time for an export.
const PAGE: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 50;
/// As many as any list shows; an export has no limit unless it is given one.
const MAX_LIMIT: u32 = 10_000;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LogsArgs {
    #[command(subcommand)]
    command: Option<holds::HoldCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Of this organizer only
    #[arg(long, value_name = "ID")]
    organizer: Option<String>,
    /// Of this integration only
    #[arg(long, value_name = "ID")]
    integration: Option<String>,
    /// Of this booking only
    #[arg(long, value_name = "ID")]
    booking: Option<String>,
    /// Of this type only, such as `webhook_sent`
    #[arg(long = "type", value_name = "TYPE")]
    log_type: Option<String>,
    /// What did not go well only
    #[arg(long)]
    failed: bool,
    /// Not older than this, as in 1h, or since a time in RFC 3339
    #[arg(long, value_name = "DURATION|TIME", value_parser = typed::since)]
    since: Option<DateTime<Utc>>,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, conflicts_with = "export")]
    follow: bool,
    /// Print all of it for another program, the oldest first
    #[arg(long, value_name = "FORM", value_parser = ["csv", "jsonl"])]
    export: Option<String>,
    /// Show at most so many: 1 to 10000 [default: 50; with --export, all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT)))]
    limit: Option<u32>,
}

impl ListArgs {
    fn filter(&self) -> LogFilter {
        LogFilter {
            organizer: self.organizer.clone(),
            integration: self.integration.clone(),
            booking: self.booking.clone(),
            log_type: self.log_type.clone(),
            failed: self.failed,
            since: self.since,
            ..LogFilter::default()
        }
    }
}

pub(crate) fn run(global: &Global, args: &LogsArgs) -> Result<ExitCode> {
    let app = global.app()?;
    block_on(async {
        let store = app.store().await?;
        match (&args.command, &args.list) {
            (Some(command), _) => holds::run(&store, command, global.json).await,
            (None, list) if list.follow => follow::run(&store, list, global.json).await,
            (None, list) if list.export.is_some() => export(&store, list).await,
            (None, list) => show(&store, list, global.json).await,
        }
    })
}

async fn show(store: &Store, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let limit = args.limit.unwrap_or(DEFAULT_LIMIT);
    let mut lines = store.logs(LogFilter { limit: limit + 1, ..args.filter() }).await?;
    if lines.len() > limit as usize {
        lines.truncate(limit as usize);
        answer::note(&format!("there are more: these are the newest {limit} (--limit)"));
    }
    if json {
        answer::json(&lines);
    } else if lines.is_empty() {
        answer::line("no lines");
    } else {
        answer::table(HEADINGS, &lines.iter().map(lines::row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// Page by page, so that a log of any length can be exported.
async fn export(store: &Store, args: &ListArgs) -> Result<ExitCode> {
    let form = if args.export.as_deref() == Some("csv") { Form::Csv } else { Form::Json };
    let mut left = args.limit.unwrap_or(u32::MAX);
    if !form.heading().is_none_or(|heading| answer::try_line(&heading)) {
        return Ok(ExitCode::SUCCESS);
    }
    let mut after = None;
    while left > 0 {
        let filter = LogFilter { oldest_first: true, limit: PAGE.min(left), after, ..args.filter() };
        let page: Vec<LogLine> = store.logs(filter).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.cursor());
        left -= u32::try_from(page.len()).unwrap_or(left).min(left);
        // A reader that went away has seen enough.
        if !page.iter().all(|line| answer::try_line(&form.write(line))) {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}
