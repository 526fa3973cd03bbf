//! Lines of any input, in batches of bounded number and size; a line that is too long is counted and not kept.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Result, stdin},
    ops::Range,
    path::Path,
};

use tokio::sync::mpsc::{Sender, error::TrySendError};

use crate::cli::answer::Usage;

/// What the producer sends in one call to Redis.
const MAX_LINES: usize = 1000;
const MAX_BYTES: usize = 4 << 20;
/// So large that the calls to read do not count.
const BUFFER: usize = 1 << 20;

pub(super) type Input = Box<dyn Read + Send>;

/// Some lines that follow each other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug)]
pub(super) struct Line {
    /// In the whole input, from 1; blank lines count, though they are passed over.
    pub(super) number: u64,
    span: Range<usize>,
    /// The length of a line that was not kept.
    pub(super) too_long: Option<u64>,
}

impl Batch {
    /// The lines that were kept.
    pub(super) fn envelopes(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(|line| line.too_long.is_none()).map(|line| &self.bytes[line.span.clone()])
    }

    /// The number of the last line.
    pub(super) fn last(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.number)
    }

    /// Whether all of it surely goes to Redis in one call: it is small enough, and no line names a queue.
    pub(super) fn is_one_call(&self) -> bool {
        self.bytes.len() <= MAX_BYTES && std::str::from_utf8(&self.bytes).is_ok_and(|text| !text.contains("\"queue\""))
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= MAX_LINES || self.bytes.len() >= MAX_BYTES
    }
}

pub(super) fn open(path: &Path) -> std::result::Result<Input, Usage> {
    if path == Path::new("-") {
        return Ok(Box::new(stdin()));
    }
    let file = File::open(path).map_err(|fault| Usage(format!("--bulk: cannot read {}: {fault}", path.display())))?;
    Ok(Box::new(file))
}

/// Read to the end, or until nobody takes the batches any more.
pub(super) fn read(input: Input, max_line: usize, sender: &Sender<Batch>) -> Result<()> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let (mut batch, mut number) = (Batch::default(), 0);
    loop {
        // What is there may be all there is for a while: whoever is idle gets it now.
        if !batch.lines.is_empty() && input.buffer().is_empty() {
            match sender.try_send(std::mem::take(&mut batch)) {
                Ok(()) => {}
                Err(TrySendError::Full(kept)) => batch = kept,
                Err(TrySendError::Closed(_)) => return Ok(()),
            }
        }
        let start = batch.bytes.len();
        let length = match read_line(&mut input, &mut batch.bytes, max_line) {
            Ok(Some(length)) => length,
            end => {
                if !batch.lines.is_empty() && sender.blocking_send(batch).is_err() {
                    return Ok(());
                }
                return end.map(drop);
            }
        };
        number += 1;
        let too_long = (length > max_line as u64).then_some(length);
        if too_long.is_some() || batch.bytes[start..].trim_ascii().is_empty() {
            batch.bytes.truncate(start);
        }
        if too_long.is_some() || batch.bytes.len() > start {
            batch.lines.push(Line { number, span: start..batch.bytes.len(), too_long });
        }
        if batch.is_full() && sender.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
}

/// Append a line without its end to `into`, but no more than `most` bytes of it. Its length; nothing at the end.
fn read_line(input: &mut impl BufRead, into: &mut Vec<u8>, most: usize) -> Result<Option<u64>> {
    let (start, mut length, mut any) = (into.len(), 0, false);
    loop {
        let found = match input.fill_buf() {
            Ok(found) => found,
            Err(fault) if fault.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(fault) => return Err(fault),
        };
        if found.is_empty() {
            return Ok(any.then_some(length));
        }
        any = true;
        let end = found.iter().position(|byte| *byte == b'\n');
        let part = &found[..end.unwrap_or(found.len())];
        let room = most - (into.len() - start);
        into.extend_from_slice(&part[..part.len().min(room)]);
        length += part.len() as u64;
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(text: &[u8], max_line: usize) -> Vec<Batch> {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(100);
        read(Box::new(std::io::Cursor::new(text.to_vec())), max_line, &sender).unwrap();
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    #[test]
    fn blank_lines_count_and_are_passed_over() {
        let found = batches(b"one\n\n \t\r\ntwo\r\nlast", 100);
        let numbers: Vec<_> = found.iter().flat_map(|batch| &batch.lines).map(|line| line.number).collect();
        assert_eq!(numbers, [1, 4, 5]);
        let lines: Vec<_> = found.iter().flat_map(Batch::envelopes).collect();
        assert_eq!(lines, [&b"one"[..], b"two\r", b"last"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_counted_and_not_kept() {
        let text = [b"short\n".as_slice(), &b"x".repeat(3 << 20), b"\nnext\n"].concat();
        let found = batches(&text, 10);
        let too_long: Vec<_> = found.iter().flat_map(|batch| &batch.lines).map(|line| line.too_long).collect();
        assert_eq!(too_long, [None, Some(3 << 20), None]);
        assert!(found.iter().all(|batch| batch.bytes.len() < 20));
    }

    #[test]
    fn batches_are_bounded_in_number_and_size() {
        let many = batches(&b"{}\n".repeat(2500), 100);
        assert_eq!(many.iter().map(|batch| batch.lines.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
        let large = batches(&[b"x".repeat(3 << 20), vec![b'\n']].concat().repeat(3), 4 << 20);
        assert_eq!(large.iter().map(|batch| batch.lines.len()).collect::<Vec<_>>(), [2, 1]);
        assert!(batches(b"", 10).is_empty() && batches(b"\n\n", 10).is_empty());
    }
}
