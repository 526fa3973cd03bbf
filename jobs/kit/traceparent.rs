//! `traceparent`: by which trace, and below which span, something happens. As the W3C writes it: version, trace, span,
//! flags, in lower-case hexadecimal.

use std::fmt;

/// A position in a trace. No id of it is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    pub trace: u128,
    pub span: u64,
    /// Whoever began the trace wants it recorded.
    pub sampled: bool,
}

/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LEN: usize = 55;

impl Traceparent {
    /// Nothing for what is malformed: a trace is for those who look on, and never a reason to refuse a job.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (known, more) = text.split_at_checked(LEN)?;
        let mut parts = known.split('-');
        let mut next = |digits| hexadecimal(parts.next()?, digits);
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        // Later versions may add fields behind, and keep those in front; 255 is none.
        let fits = match version {
            0 => more.is_empty(),
            255 => false,
            _ => more.is_empty() || more.starts_with('-'),
        };
        let span = u64::try_from(span).ok()?;
        (fits && trace != 0 && span != 0).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

/// Upper case is refused, as the standard says; so is a sign, which Rust would read.
fn hexadecimal(part: &str, digits: usize) -> Option<u128> {
    let fits = part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    fits.then(|| u128::from_str_radix(part, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn what_is_read_is_written_again() {
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let read = Traceparent::parse(&text).expect("a traceparent");
            assert_eq!((read.to_string(), read.sampled), (text, flags == "01"));
        }
        // Flags of later versions are not ours to send on.
        let more = Traceparent::parse(&format!("00-{TRACE}-{SPAN}-ff")).expect("a traceparent");
        assert!(more.sampled && more.to_string().ends_with("-01"));
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(Traceparent::parse(&format!("01-{TRACE}-{SPAN}-01")).is_some());
        assert!(Traceparent::parse(&format!("cc-{TRACE}-{SPAN}-01-what-comes")).is_some());
        assert!(Traceparent::parse(&format!("cc-{TRACE}-{SPAN}-01.what-comes")).is_none());
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        let (zeros, upper) = ("0".repeat(32), TRACE.to_uppercase());
        for text in [
            String::new(),
            "nonsense".into(),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{upper}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-+{}-01", &SPAN[1..]),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("{TRACE}:{SPAN}:0:1"),
            "ä".repeat(40),
        ] {
            assert_eq!(Traceparent::parse(&text), None, "{text}");
        }
    }
}
