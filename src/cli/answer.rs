//! How the command line speaks: answers on standard output, everything else on standard error.
#![expect(clippy::print_stderr, reason = "the one home of printing")]

use std::{
    io::{IsTerminal, Write as _, stderr, stdin, stdout},
    process::ExitCode,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::words;
use crate::config::mistake::ConfigError;

/// A line of an answer.
pub(crate) fn line(text: &str) {
    // A reader that went away, as in `liaison runs list | head`, is no failure of ours.
    let _ = writeln!(stdout(), "{text}");
}

/// A line of an answer that has no end: whether somebody still listens.
pub(crate) fn try_line(text: &str) -> bool {
    let mut out = stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// Whether whoever read our answer has gone away, before we say anything more.
pub(crate) fn is_unheard() -> bool {
    let out = stdout();
    let mut looked = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut looked, Some(&now)).is_ok_and(|found| found > 0)
        && looked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// An answer for programs: one JSON value on one line.
pub(crate) fn json(value: &impl Serialize) {
    line(&serde_json::to_string(value).unwrap_or_else(|fault| format!("{{\"error\":\"{fault}\"}}")));
}

/// Something worth knowing beside the answer.
pub(crate) fn note(text: &str) {
    eprintln!("{}", words::lines(text));
}

/// The sum of a long command: the answer for people, something beside it for programs.
pub(crate) fn summary(text: &str, as_json: bool) {
    if as_json {
        note(text);
    } else {
        line(text);
    }
}

/// Progress on a terminal, rewritten in place; nothing elsewhere.
pub(crate) fn progress(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

/// How far a long command has come: a count and its rate, a few times a second.
pub(crate) struct Progress {
    unit: &'static str,
    began: Instant,
    shown: Option<Instant>,
}

impl Progress {
    /// Slow enough not to cost anything, quick enough to look alive.
    const EVERY: Duration = Duration::from_millis(200);

    pub(crate) fn of(unit: &'static str) -> Self {
        Self { unit, began: Instant::now(), shown: None }
    }

    pub(crate) fn at(&mut self, count: u64) {
        if self.shown.unwrap_or(self.began).elapsed() < Self::EVERY {
            return;
        }
        self.shown = Some(Instant::now());
        progress(&format!("{} {}, {}/s", words::count(count), self.unit, words::rate(count, self.began.elapsed())));
    }

    /// Make room for what is said next.
    pub(crate) fn clear(&mut self) {
        if self.shown.take().is_some() {
            progress("");
        }
    }
}

/// Let a person agree before something that cannot be taken back. Programs agree with `--yes`.
pub(crate) fn confirm(question: &str) -> Result<bool, Usage> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Usage(format!("{question} Nobody can be asked here: add --yes if that is what you mean")));
    }
    eprint!("{question} [y/N] ");
    let mut said = String::new();
    // No answer at all, as with ctrl-D, is a no.
    let _ = stdin().read_line(&mut said);
    Ok(matches!(said.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The last word of a command that failed.
pub(crate) fn failure(error: &anyhow::Error, as_json: bool) -> ExitCode {
    let usage = error.downcast_ref::<ConfigError>().is_some() || error.downcast_ref::<Usage>().is_some();
    let text = chain(error);
    if as_json {
        match error.downcast_ref::<ConfigError>() {
            Some(mistakes) => json(&mistakes.to_json()),
            None => json(&serde_json::json!({"error": text})),
        }
    } else {
        note(&format!("liaison: {text}"));
    }
    ExitCode::from(if usage { 2 } else { 1 })
}

/// An error with its causes on one line, each said once: some drivers say in their own text what caused them.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        before if before.ends_with(&cause) => said,
        before => format!("{before}: {cause}"),
    })
}

/// A mistake in how the command was called.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Rows under headings, each column as wide as it must be. Cells may come from outside.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| words::plain(cell)).collect()).collect();
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let show = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(padded.join("  ").trim_end());
    };
    show(&mut headings.iter().copied());
    for row in &rows {
        show(&mut row.iter().map(String::as_str));
    }
}

/// One thing: its fields below each other. Fields without a value are left out; values may come from outside.
pub(crate) fn card(fields: &[(&str, Option<String>)]) {
    let there = || fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let width = there().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in there() {
        line(format!("{name:<width$}  {}", words::plain(value)).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow!("refused").context("io: refused").context("Redis is away");
        assert_eq!(super::chain(&error), "Redis is away: io: refused");
    }
}
