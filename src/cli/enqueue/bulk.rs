//! `liaison enqueue --bulk`: one envelope a line, one answer a line, in order.
//!
//! A thread reads while Redis works, and the next batch is judged while Redis has the one before: at most four batches
//! are in memory. When the input pauses, what has come so far is sent, so a slow writer gets its answers as it goes. If
//! Redis goes away, the answers that were printed stand, what was under way is in doubt, and the rest was not sent: the
//! last word says which lines are which.

mod flight;
mod lines;

use std::{
    io::{BufWriter, IsTerminal as _, Write, stdout},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use liaison_queue::{
    Receipt,
    envelope::{Envelope, Limits},
};
use tokio::sync::mpsc;

use super::{
    super::{
        answer::{Progress, note},
        block_on, words,
    },
    told::Answer,
};
use crate::app::App;
use flight::Flight;
use lines::{Batch, Line};

/// What was said so far.
#[derive(Default)]
struct Tally {
    queued: u64,
    duplicate: u64,
    rejected: u64,
    /// The last line that was answered.
    line: u64,
}

pub(super) fn run(app: &App, path: &Path, json: bool) -> Result<ExitCode> {
    let input = lines::open(path)?;
    let limits = app.limits();
    let (sender, batches) = mpsc::channel(1);
    // Not joined when Redis fails: the thread may wait for a line that never comes, and ends with the process.
    let reader = std::thread::Builder::new()
        .name("reader".into())
        .spawn(move || lines::read(input, limits.max_envelope(), &sender));
    let reader = reader.context("start the reading thread")?;
    let mut tally = Tally::default();
    block_on(send(app, path, batches, json, &mut tally))?;
    let read = reader.join().unwrap_or_else(|_| Err(std::io::Error::other("the reading thread panicked")));
    let Tally { queued, duplicate, rejected, line } = tally;
    read.with_context(|| format!("cannot read {} after line {line}, up to which all is answered", path.display()))?;
    let (queued, duplicate) = (words::count(queued), words::count(duplicate));
    if rejected > 0 || !json {
        note(&format!("{queued} queued, {duplicate} duplicate, {} rejected", words::count(rejected)));
    }
    Ok(if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn send(app: &App, path: &Path, mut batches: mpsc::Receiver<Batch>, json: bool, tally: &mut Tally) -> Result<()> {
    let limits = app.limits();
    let mut flight = Flight::new(app.producer(), limits);
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    // Where the answers themselves are watched, they are the progress.
    let mut progress = (!stdout().is_terminal()).then(|| Progress::of("lines"));
    let mut next = None;
    loop {
        if next.is_none() {
            next = if flight.is_empty() { batches.recv().await } else { batches.try_recv().ok() };
        }
        if let Some(batch) = next.take_if(|batch| flight.has_room_for(batch)) {
            flight.start(batch);
            continue;
        }
        let Some((batch, receipts)) = flight.land().await? else { break };
        let sent: Vec<&Batch> = std::iter::once(&*batch).chain(flight.flying()).collect();
        let receipts = receipts.map_err(|fault| {
            progress.iter_mut().for_each(Progress::clear);
            anyhow::Error::new(fault).context(in_doubt(&sent, tally.line, path, limits))
        })?;
        if print(&mut out, &batch.lines, receipts, json, tally).and_then(|()| out.flush()).is_err() {
            let last = sent.last().map_or(0, |batch| batch.last());
            bail!("nobody reads the answers any more: lines up to {last} were sent; the rest was not");
        }
        if let Some(progress) = &mut progress {
            progress.at(tally.line);
        }
    }
    progress.iter_mut().for_each(Progress::clear);
    Ok(())
}

fn print(
    out: &mut impl Write,
    lines: &[Line],
    receipts: Vec<Receipt>,
    json: bool,
    tally: &mut Tally,
) -> std::io::Result<()> {
    for (line, receipt) in lines.iter().zip(receipts) {
        let number = line.number;
        let count = match &receipt {
            Receipt::Queued { .. } => &mut tally.queued,
            Receipt::Duplicate { .. } => &mut tally.duplicate,
            Receipt::Rejected { .. } => &mut tally.rejected,
        };
        *count += 1;
        tally.line = number;
        if json {
            serde_json::to_writer(&mut *out, &Answer { line: Some(number), ..Answer::of(receipt, None) })?;
            out.write_all(b"\n")?;
            continue;
        }
        match receipt {
            Receipt::Queued { id, .. } => writeln!(out, "line {number}: queued {id}")?,
            Receipt::Duplicate { of, .. } => writeln!(out, "line {number}: duplicate {}", words::plain(&of))?,
            Receipt::Rejected { reason } => writeln!(out, "line {number}: rejected: {}", words::plain(&reason))?,
        }
    }
    Ok(())
}

/// Where the answers stop, and how to go on without doubling or losing a job.
fn in_doubt(batches: &[&Batch], answered: u64, path: &Path, limits: Limits) -> String {
    let nameless = batches
        .iter()
        .flat_map(|batch| batch.envelopes())
        .filter(|envelope| Envelope::judge(envelope, limits).is_ok_and(|judged| judged.id.is_none()))
        .count();
    let (first, last) = (answered + 1, batches.last().map_or(answered, |batch| batch.last()));
    let stands = match answered {
        0 => "no line was answered".to_owned(),
        _ => format!("lines 1 to {answered} are answered"),
    };
    let twice = match nameless {
        0 => "all lines in doubt have ids of their own, so none becomes two jobs".to_owned(),
        n => format!("{n} of the lines in doubt have no id of their own and may become two jobs; give them ids"),
    };
    let again = match path.to_str() {
        Some("-") => "the input".to_owned(),
        _ => format!("`tail -n +{first} {} | liaison enqueue --bulk -`", path.display()),
    };
    format!(
        "{stands}, lines {first} to {last} were sent and may or may not be queued, and nothing after them was sent; \
         go on with line {first} of {again}: {twice}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(text: &str) -> Batch {
        let (sender, mut batches) = mpsc::channel(1);
        lines::read(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())), 1000, &sender).unwrap();
        batches.try_recv().unwrap()
    }

    #[test]
    fn the_last_word_says_which_lines_may_be_doubled() {
        let told = |text| in_doubt(&[&batch(text)], 0, Path::new("jobs.jsonl"), Limits::default());
        let safe = told("{\"job\":\"a\",\"id\":\"1\"}\n\n{\"job\":\"a\",\"id\":\"2\"}\n");
        assert!(safe.starts_with("no line was answered, lines 1 to 3 were sent"), "{safe}");
        assert!(
            safe.contains("`tail -n +1 jobs.jsonl | liaison enqueue --bulk -`") && safe.contains("none becomes two")
        );
        assert!(told("{\"job\":\"a\"}\nnonsense\n").contains("1 of the lines in doubt have no id"));
    }

    #[test]
    fn every_line_has_its_answer_in_order() {
        let (mut out, mut tally) = (Vec::new(), Tally::default());
        let receipts = vec![
            Receipt::Queued { id: "1".into(), queue: liaison_queue::QueueName::default_queue() },
            Receipt::Rejected { reason: "job: \x1b[1mno".into() },
        ];
        let lines = batch("a\n\nb\n").lines;
        print(&mut out, &lines, receipts.clone(), false, &mut tally).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "line 1: queued 1\nline 3: rejected: job: ·[1mno\n");
        assert_eq!((tally.queued, tally.rejected, tally.line), (1, 1, 3));
        let mut out = Vec::new();
        print(&mut out, &lines, receipts, true, &mut tally).unwrap();
        assert!(String::from_utf8(out).unwrap().starts_with("{\"line\":1,\"id\":\"1\",\"status\":\"queued\"}\n"));
    }
}
