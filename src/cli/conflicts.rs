//! `liaison conflicts`: what collides in the calendars of organizers, and what somebody decided about it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::{JobId, clock::Clock};
use liaison_store::{Conflict, ConflictFilter, ConflictKind, ConflictStatus, Kept, LogEntry, Resolved, Store};
use serde_json::json;

use super::{
    Global,
    answer::{self, Usage},
    block_on,
    typed::{self, Because, Limit},
    words,
};

#[derive(clap::Subcommand)]
pub(crate) enum ConflictsCommand {
    /// Blocked times of one organizer at one time, newest first
    List(ListArgs),
    /// Say what to keep; the blocked times themselves are left as they are
    Resolve(ResolveArgs),
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Of this organizer only
    #[arg(long, value_name = "ID")]
    organizer: Option<String>,
    /// Those that are closed, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    limit: Limit,
}

#[derive(clap::Args)]
pub(crate) struct ResolveArgs {
    /// Its id
    id: String,
    /// What counts
    #[arg(long, value_name = "WHICH", value_parser = typed::one_of::<Kept>(Kept::ALL.into_iter().map(Kept::as_str)))]
    keep: Kept,
    #[command(flatten)]
    because: Because,
}

pub(crate) fn run(global: &Global, command: &ConflictsCommand) -> Result<ExitCode> {
    let (app, json) = (global.app()?, global.json);
    block_on(async {
        let store = app.store().await?;
        match command {
            ConflictsCommand::List(args) => list(&store, args, json).await,
            ConflictsCommand::Resolve(args) => resolve(&store, args, json).await,
        }
    })
}

async fn list(store: &Store, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let status = (!args.all).then_some(ConflictStatus::Open);
    let filter = ConflictFilter { organizer: args.organizer.clone(), status, limit: args.limit.ask() };
    let mut rows = store.conflicts(filter).await?;
    args.limit.cut(&mut rows);
    if json {
        answer::json(&rows);
    } else if rows.is_empty() {
        answer::line("no conflicts");
    } else {
        let headings = ["ID", "ORGANIZER", "KIND", "FROM", "UNTIL", "STATUS", "KEEP", "BY"];
        answer::table(&headings, &rows.iter().map(cells).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// What is suggested stands in brackets.
fn cells(row: &Conflict) -> Vec<String> {
    let keep = row.resolution.map_or_else(|| format!("({})", row.suggestion.as_str()), |kept| kept.as_str().to_owned());
    vec![
        row.id.clone(),
        row.organizer_id.clone(),
        row.kind.as_str().to_owned(),
        words::date(row.overlap_from),
        words::date(row.overlap_until),
        row.status.as_str().to_owned(),
        keep,
        row.resolved_by.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

async fn resolve(store: &Store, args: &ResolveArgs, json: bool) -> Result<ExitCode> {
    let ResolveArgs { id, keep, because } = args;
    let found = store.conflict(id).await?;
    if found.as_ref().is_some_and(|conflict| conflict.kind == ConflictKind::BetweenCalendars) && *keep != Kept::Both {
        bail!(Usage(format!("{id}: both stand in calendars: move one there, or --keep both")));
    }
    let (now, by) = (Clock::wall().date(), because.by());
    let details = json!({"by": by, "conflict": id, "keep": keep, "reason": because.reason});
    let entry = LogEntry {
        id: JobId::generate().to_string(),
        log_type: "conflict_resolved".to_owned(),
        integration_type: "calendar".to_owned(),
        message: format!("conflict {id} was resolved: keep {}", keep.as_str()),
        details: Some(details.to_string()),
        success: true,
        created_at: now,
        ..LogEntry::default()
    };
    match store.resolve_conflict(id, (*keep, &by), now, entry.into()).await? {
        Resolved::Now(conflict) if json => answer::json(&conflict),
        Resolved::Now(_) => answer::line(&words::plain(&format!("{id}: keep {}", keep.as_str()))),
        Resolved::Before(conflict) => {
            bail!("{id} is {} already; `liaison conflicts list --all` says by whom", conflict.status.as_str())
        }
        Resolved::Unknown => bail!("{id}: no such conflict; `liaison conflicts list` shows those there are"),
    }
    Ok(ExitCode::SUCCESS)
}
