//! One line: a name, parameters, and a value. Long ones are folded, and taken together again.

use std::borrow::Cow;

/// A line is broken before it is longer, counted in bytes.
const FOLD: usize = 75;
/// No property has so many; what has is refused as a line.
const MAX_PARAMETERS: usize = 256;

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// In upper case.
    pub(crate) name: String,
    /// Names in upper case; values without quotes, and with what RFC 6868 writes with a `^`.
    pub(crate) parameters: Vec<(String, Vec<String>)>,
    /// As it stands there: what it means depends on the property.
    pub(crate) value: String,
}

impl Property {
    pub(crate) fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), parameters: Vec::new(), value: value.into() }
    }

    pub(crate) fn text(name: &str, text: &str) -> Self {
        Self::new(name, super::escape(text))
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), vec![value.to_owned()]));
        self
    }

    /// The first value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, values) = self.parameters.iter().find(|(known, _)| known == name)?;
        values.first().map(String::as_str)
    }

    /// Nothing, if the line is no property.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let end = line.find([':', ';'])?;
        let name = name(&line[..end])?;
        let mut rest = &line[end..];
        let mut parameters = Vec::new();
        while let Some(text) = rest.strip_prefix(';') {
            let end = text.find(['=', ';', ':'])?;
            let key = self::name(&text[..end])?;
            let (values, behind) = match text[end..].strip_prefix('=') {
                Some(text) => values(text)?,
                None => (vec![String::new()], &text[end..]),
            };
            parameters.push((key, values));
            if parameters.len() > MAX_PARAMETERS {
                return None;
            }
            rest = behind;
        }
        let value = rest.strip_prefix(':')?.to_owned();
        Some(Self { name, parameters, value })
    }

    pub(super) fn write(&self) -> String {
        let mut line = self.name.clone();
        for (name, values) in &self.parameters {
            line.extend([";", name, "="]);
            for (at, value) in values.iter().enumerate() {
                line.push_str(if at == 0 { "" } else { "," });
                let value = encode(value);
                let quote = if value.contains([',', ';', ':']) { "\"" } else { "" };
                line.extend([quote, &value, quote]);
            }
        }
        line.push(':');
        line.extend(self.value.chars().filter(|letter| is_printed(*letter)));
        line
    }
}

fn is_printed(letter: char) -> bool {
    !letter.is_control() || letter == '\t'
}

fn name(text: &str) -> Option<String> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!text.is_empty() && text.bytes().all(sound)).then(|| text.to_ascii_uppercase())
}

/// The values of one parameter, and what stands behind them.
fn values(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut values, mut rest) = (Vec::new(), text);
    loop {
        let (mut value, mut behind) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (quoted[..end].to_owned(), &quoted[end + 1..])
            }
            None => (String::new(), rest),
        };
        // Behind a quote there should be nothing.
        let end = behind.find([',', ';', ':'])?;
        value.push_str(&behind[..end]);
        behind = &behind[end..];
        values.push(decode(&value));
        match behind.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((values, behind)),
        }
    }
}

/// RFC 6868: what cannot stand in a parameter.
fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '^' => text.push_str("^^"),
            '"' => text.push_str("^'"),
            '\n' => text.push_str("^n"),
            letter if is_printed(letter) => text.push(letter),
            _ => {}
        }
    }
    text
}

fn decode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        if letter != '^' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => text.push('\n'),
            Some('\'') => text.push('"'),
            Some('^') => text.push('^'),
            other => text.extend(['^'].into_iter().chain(other)),
        }
    }
    text
}

/// The lines of a text, whole, without line ends and control characters. A fold may stand within a letter.
pub(super) fn unfolded(text: &[u8]) -> impl Iterator<Item = String> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut physical =
        text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    std::iter::from_fn(move || {
        let mut line = Cow::Borrowed(physical.next()?);
        while let Some(more) = physical.next_if(|next| next.first().is_some_and(|byte| b" \t".contains(byte))) {
            line.to_mut().extend_from_slice(&more[1..]);
        }
        Some(String::from_utf8_lossy(&line).chars().filter(|letter| is_printed(*letter)).collect())
    })
}

/// Append a line, broken where it must be, with its end.
pub(super) fn fold(line: &str, text: &mut String) {
    let mut room = FOLD;
    for letter in line.chars() {
        if letter.len_utf8() > room {
            text.push_str("\r\n ");
            room = FOLD - 1;
        }
        text.push(letter);
        room -= letter.len_utf8();
    }
    text.push_str("\r\n");
}
