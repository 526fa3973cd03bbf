//! What ties a job to others: its lane, its unique key, its batch, and the time at which it expires.
//!
//! In Redis they stand between the header and the envelope of a job, as words that the scripts read; jobs without any,
//! which are most, pay nothing. The words are listed in `docs/wire-protocol.md`.

#[cfg(feature = "worker")]
use std::borrow::Cow;
use std::{fmt::Write as _, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    clock::Millis,
    envelope::{Refusal, number, refuse, short, string},
    names::{BatchId, LaneName, UniqueKey},
};

/// A unique key that is held for a time is held for at most a year.
pub const MAX_UNIQUE_FOR: Duration = Duration::from_hours(365 * 24);

/// Jobs of one lane run one at a time, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub name: LaneName,
    /// Others of the lane may pass while this one waits for its time.
    pub passes: bool,
}

/// As long as what a key may not be taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Until the job is claimed for the first time.
    WhileQueued,
    /// Until the job leaves, however it ends.
    UntilDone,
    /// So long from its enqueueing, whatever becomes of it.
    For(Duration),
}

/// What becomes of a second job with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    Reject,
    /// It takes the place of the first, if that still waits; the first one's due time is kept, or not.
    Replace {
        keep_due: bool,
    },
}

/// At most one job of this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    pub key: UniqueKey,
    pub scope: Scope,
    pub on_conflict: Conflict,
}

/// All of a job's ties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bonds {
    pub lane: Option<Lane>,
    pub unique: Option<Unique>,
    pub batch: Option<BatchId>,
    pub expires_at: Option<Millis>,
}

impl Bonds {
    /// As the scripts read them; empty for a job without any.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = String::new();
        if let Some(Lane { name, passes }) = &self.lane {
            let _ = write!(words, " L{name}{}", if *passes { " P" } else { "" });
        }
        if let Some(Unique { key, scope, on_conflict }) = &self.unique {
            let _ = match scope {
                Scope::WhileQueued => write!(words, " Uq{key}"),
                Scope::UntilDone => write!(words, " Ud{key}"),
                Scope::For(long) => write!(words, " Ut{key} F{}", long.as_millis()),
            };
            words.push_str(match on_conflict {
                Conflict::Reject => "",
                Conflict::Replace { keep_due: false } => " Om",
                Conflict::Replace { keep_due: true } => " Ok",
            });
        }
        if let Some(at) = self.expires_at {
            let _ = write!(words, " E{}", at.0);
        }
        if let Some(batch) = &self.batch {
            let _ = write!(words, " B{batch}");
        }
        if !words.is_empty() {
            words.remove(0);
        }
        words
    }
}

/// The words of a stored job. The text that stands in Redis, without its line feed.
#[cfg(feature = "worker")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a>(pub &'a str);

#[cfg(feature = "worker")]
impl<'a> Words<'a> {
    fn word(self, letter: char) -> Option<&'a str> {
        self.0.split(' ').find_map(|word| word.strip_prefix(letter))
    }

    /// The lane, if others of it may pass this job while it waits for its time.
    pub(crate) fn lane_that_passes(self) -> Option<&'a str> {
        self.word('P').and_then(|_| self.word('L'))
    }

    /// What still matters when the job leaves. A key that it had while it was queued is free already.
    pub(crate) fn for_leaving(self) -> Cow<'a, str> {
        let matters = |word: &&str| {
            word.starts_with(['L', 'S', 'E', 'B'])
                || (word.starts_with('U') && !word.starts_with("Uq") && !word.starts_with("Ut"))
        };
        if self.0.split(' ').all(|word| matters(&word)) {
            return Cow::Borrowed(self.0);
        }
        Cow::Owned(self.0.split(' ').filter(matters).collect::<Vec<_>>().join(" "))
    }

    /// The counts of the batch whose end this job follows.
    pub(crate) fn batch_end(self) -> Option<BatchEnd> {
        BatchEnd::parse(self.word('C')?)
    }
}

/// How the jobs of a batch have ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BatchEnd {
    pub batch: BatchId,
    pub size: u64,
    pub done: u64,
    pub dead: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub replaced: u64,
}

#[cfg(feature = "worker")]
impl BatchEnd {
    /// `BATCH:SIZE:DONE:DEAD:EXPIRED:CANCELLED:REPLACED`; the batch may have colons of its own.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(7, ':');
        let mut count = || parts.next()?.parse().ok();
        let (replaced, cancelled, expired, dead, done, size) =
            (count()?, count()?, count()?, count()?, count()?, count()?);
        let batch = BatchId::parse(parts.next()?).ok()?;
        Some(Self { batch, size, done, dead, expired, cancelled, replaced })
    }
}

#[derive(Deserialize, Default)]
struct WrittenLane<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    on_delay: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct WrittenUnique<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
    #[serde(borrow)]
    for_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    on_conflict: Option<&'a RawValue>,
    #[serde(borrow)]
    due: Option<&'a RawValue>,
}

/// An object as a field's value.
fn object<'a, T: Deserialize<'a> + Default>(field: &str, raw: &'a RawValue) -> Result<Option<T>, Refusal> {
    match raw.get().as_bytes().first() {
        Some(b'{') => serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|fault| Refusal(format!("{field}: {fault}; a field stands once"))),
        // An array has no key either; the scripts' parser cannot tell the two apart.
        Some(b'[') => Ok(Some(T::default())),
        _ => Ok(None),
    }
}

fn key<N>(field: &str, raw: Option<&RawValue>, parse: impl Fn(&str) -> Result<N, String>) -> Result<N, Refusal> {
    let Some(raw) = raw else {
        return refuse(format!("{field}.key: missing; name the key, such as \"user:42\""));
    };
    parse(&string(field, raw)?).map_err(Refusal)
}

/// One of several words; the first is meant when none is there.
fn one_of<T: Copy>(field: &str, raw: Option<&RawValue>, default: T, words: &[(&str, T)]) -> Result<T, Refusal> {
    let Some(raw) = raw else { return Ok(default) };
    let text = string(field, raw).unwrap_or_default();
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Refusal(format!("{field}: `{}` is none of {}", short(raw.get()), known.join(", ")))
    })
}

/// A lane: its name, or an object with more.
pub(crate) fn lane(raw: &RawValue) -> Result<Lane, Refusal> {
    let Some(written) = object::<WrittenLane>("lane", raw)? else {
        return Ok(Lane { name: key("lane", Some(raw), LaneName::parse)?, passes: false });
    };
    Ok(Lane {
        name: key("lane", written.key, LaneName::parse)?,
        passes: one_of("lane.on_delay", written.on_delay, false, &[("hold", false), ("pass", true)])?,
    })
}

/// A unique key, or an object with more.
pub(crate) fn unique(raw: &RawValue) -> Result<Unique, Refusal> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        WhileQueued,
        UntilDone,
        For,
    }
    let Some(written) = object::<WrittenUnique>("unique", raw)? else {
        let key = key("unique", Some(raw), UniqueKey::parse)?;
        return Ok(Unique { key, scope: Scope::UntilDone, on_conflict: Conflict::Reject });
    };
    let key = key("unique", written.key, UniqueKey::parse)?;
    let kinds = [("while_queued", Kind::WhileQueued), ("until_done", Kind::UntilDone), ("for", Kind::For)];
    let kind = one_of("unique.scope", written.scope, Kind::UntilDone, &kinds)?;
    let replace = one_of("unique.on_conflict", written.on_conflict, false, &[("reject", false), ("replace", true)])?;
    let keep_due = one_of("unique.due", written.due, false, &[("move", false), ("keep", true)])?;
    let most = u64::try_from(MAX_UNIQUE_FOR.as_millis()).unwrap_or(u64::MAX);
    let scope = match (kind, written.for_ms) {
        (Kind::WhileQueued, None) => Scope::WhileQueued,
        (Kind::UntilDone, None) => Scope::UntilDone,
        (Kind::For, Some(raw)) => Scope::For(Duration::from_millis(number("unique.for_ms", raw, 1, most)?)),
        (Kind::For, None) => return refuse("unique.for_ms: missing; with the scope `for`, say how long"),
        (Kind::WhileQueued | Kind::UntilDone, Some(_)) => {
            return refuse("unique.for_ms: only with the scope `for`; leave it out, or set the scope");
        }
    };
    let on_conflict = if replace { Conflict::Replace { keep_due } } else { Conflict::Reject };
    Ok(Unique { key, scope, on_conflict })
}

#[cfg(all(test, feature = "worker"))]
mod tests {
    use super::*;

    #[test]
    fn words_are_as_the_scripts_read_them() {
        let bonds = Bonds {
            lane: Some(Lane { name: LaneName::parse("endpoint:42").unwrap(), passes: true }),
            unique: Some(Unique {
                key: UniqueKey::parse("P").unwrap(),
                scope: Scope::For(Duration::from_secs(1)),
                on_conflict: Conflict::Replace { keep_due: true },
            }),
            batch: Some(BatchId::parse("a:b").unwrap()),
            expires_at: Some(Millis(7)),
        };
        assert_eq!(bonds.words(), "Lendpoint:42 P UtP F1000 Ok E7 Ba:b");
        assert_eq!(Words(&bonds.words()).lane_that_passes(), Some("endpoint:42"));
        assert_eq!(Words("Lx UdP").lane_that_passes(), None);
        assert_eq!(Bonds::default().words(), "");
    }

    #[test]
    fn the_end_of_a_batch_is_read_back() {
        let end = Words("Lx S1 Ca:b:6:1:2:3:0:0").batch_end().unwrap();
        assert_eq!((end.batch.as_str(), end.size, end.done, end.dead, end.expired), ("a:b", 6, 1, 2, 3));
        assert_eq!(Words("Lx").batch_end(), None);
    }
}
