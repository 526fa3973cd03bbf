//! How the command line speaks: answers on standard output, everything else on standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the one home of printing")]

use std::{
    io::{IsTerminal, Write as _, stderr, stdout},
    process::ExitCode,
};

use serde::Serialize;

use crate::config::mistake::ConfigError;

/// A line of an answer.
pub(crate) fn line(text: &str) {
    // A reader that went away, as in `liaison runs list | head`, is no failure of ours.
    let _ = writeln!(stdout(), "{text}");
}

/// An answer for programs: one JSON value on one line.
pub(crate) fn json(value: &impl Serialize) {
    line(&serde_json::to_string(value).unwrap_or_else(|fault| format!("{{\"error\":\"{fault}\"}}")));
}

/// Something worth knowing beside the answer.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Progress on a terminal, rewritten in place; nothing elsewhere.
pub(crate) fn progress(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

/// The last word of a command that failed.
pub(crate) fn failure(error: &anyhow::Error, as_json: bool) -> ExitCode {
    let usage = error.downcast_ref::<ConfigError>().is_some() || error.downcast_ref::<Usage>().is_some();
    let text = format!("{error:#}");
    if as_json {
        match error.downcast_ref::<ConfigError>() {
            Some(mistakes) => json(&mistakes.to_json()),
            None => json(&serde_json::json!({"error": text})),
        }
    } else {
        eprintln!("liaison: {text}");
    }
    ExitCode::from(if usage { 2 } else { 1 })
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

/// Rows under headings, each column as wide as it must be.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let show = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(padded.join("  ").trim_end());
    };
    show(&mut headings.iter().copied());
    for row in rows {
        show(&mut row.iter().map(String::as_str));
    }
}
