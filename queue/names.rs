//! The names that travel on the wire. Each is checked once, so that none can break a key, a log line or a page.

use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal, $allowed:expr, $words:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            pub const MAX_LEN: usize = $max;

            /// # Errors
            /// What is wrong with the text, with the field's name and what is allowed.
            pub fn parse(text: &str) -> Result<Self, String> {
                let allowed: fn(usize, u8) -> bool = $allowed;
                if text.is_empty() {
                    return Err(format!("{}: empty; use {}", $field, $words));
                }
                if text.len() > $max {
                    return Err(format!(
                        "{}: {} bytes long, {} more than the {} allowed", $field, text.len(), text.len() - $max, $max
                    ));
                }
                match text.bytes().enumerate().find(|(at, byte)| !allowed(*at, *byte)) {
                    None => Ok(Self(text.into())),
                    Some((at, _)) => {
                        Err(format!("{}: the character at position {} is not allowed; use {}", $field, at + 1, $words))
                    }
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

name!(
    /// Which job: given by the host, or made here and then ordered by time.
    JobId,
    "id",
    128,
    |_, b| b.is_ascii_alphanumeric() || b"_.:@/+=~-".contains(&b),
    "letters, digits and _ . : @ / + = ~ -"
);
name!(
    /// Jobs that go one at a time, in order.
    LaneName,
    "lane",
    128,
    |_, b| b.is_ascii_alphanumeric() || b"_.:@/+=~-".contains(&b),
    "letters, digits and _ . : @ / + = ~ -"
);
name!(
    /// What only one job may have.
    UniqueKey,
    "unique",
    128,
    |_, b| b.is_ascii_alphanumeric() || b"_.:@/+=~-".contains(&b),
    "letters, digits and _ . : @ / + = ~ -"
);
name!(
    /// A set of jobs with one end.
    BatchId,
    "batch",
    128,
    |_, b| b.is_ascii_alphanumeric() || b"_.:@/+=~-".contains(&b),
    "letters, digits and _ . : @ / + = ~ -"
);
name!(
    /// What is to be done: a name from the catalogue.
    JobName,
    "job",
    100,
    |_, b| b.is_ascii_alphanumeric() || b"_.-".contains(&b),
    "letters, digits and _ . -"
);
name!(
    /// Where the job waits.
    QueueName,
    "queue",
    64,
    |at, b| b.is_ascii_lowercase() || b.is_ascii_digit() || (at > 0 && b"_.-".contains(&b)),
    "small letters, digits and, after the first, _ . -"
);

name!(
    /// What is limited together, such as one user at one provider: `google:user:42`.
    LimitKey,
    "limit key",
    128,
    |_, b| b.is_ascii_alphanumeric() || b"_.:@/+=~-".contains(&b),
    "letters, digits and _ . : @ / + = ~ -"
);

name!(
    /// An entry of the schedule.
    EntryName,
    "name",
    64,
    |_, b| b.is_ascii_alphanumeric() || b"_.-".contains(&b),
    "letters, digits and _ . -"
);

impl LimitKey {
    /// Of a job that runs so many times at once, over all daemons.
    ///
    /// # Errors
    /// When it is no name of a job.
    pub fn of_job(name: &str) -> Result<Self, String> {
        Self::parse(&format!("job:{name}"))
    }
}

impl JobId {
    /// An id that stands in Redis already: it was judged when it came in.
    #[cfg(feature = "worker")]
    pub(crate) fn known(text: &str) -> Self {
        Self(text.into())
    }

    /// A new id, later than every id this process made before.
    #[must_use]
    pub fn generate() -> Self {
        use std::sync::Mutex;
        static GENERATOR: Mutex<Option<ulid::Generator>> = Mutex::new(None);
        let mut generator = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The generator only refuses when a millisecond's random part overflows; any fresh id is then right.
        let ulid =
            generator.get_or_insert_with(ulid::Generator::new).generate().unwrap_or_else(|_| ulid::Ulid::generate());
        Self(ulid.to_string().into())
    }
}

impl QueueName {
    /// One part of this queue; the first is called like the queue.
    #[must_use]
    pub fn shard(&self, number: u32) -> Self {
        if number == 0 { self.base() } else { Self(format!("{}#{number}", self.base()).into()) }
    }

    /// The queue of which this is a part.
    #[must_use]
    pub fn base(&self) -> Self {
        Self(self.0.split('#').next().unwrap_or_default().into())
    }

    /// Which part of its queue this is.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.0.split_once('#').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }

    /// The queue of envelopes that name none.
    ///
    /// # Panics
    /// Never: the name is a literal that the tests parse.
    #[must_use]
    pub fn default_queue() -> Self {
        Self("default".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_valid_and_in_order() {
        let ids: Vec<_> = (0..1000).map(|_| JobId::generate()).collect();
        assert!(ids.windows(2).all(|two| two[0] < two[1]));
        assert!(ids.iter().all(|id| JobId::parse(id.as_str()).is_ok()));
    }

    #[test]
    fn a_queue_name_cannot_break_a_key() {
        assert!(QueueName::parse("default").is_ok());
        for bad in ["", "a}b", "{a", "A", "a b", ".a", "a\0", "ü"] {
            assert!(QueueName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
