//! iCalendar (RFC 5545): text into components and properties, and back.
//!
//! Nothing is understood here, so nothing is lost: what is read and written again says the same, also what nobody here
//! has heard of. Reading forgives what calendars get wrong (line ends, a property that is none), never asks for more
//! than a multiple of its input, and refuses what is too large, too deep, or cut off.

mod line;
mod stamp;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use line::Property;
pub(crate) use stamp::{Span, Stamp};

/// An event with a picture in it has a megabyte; servers draw the line at ten at the latest.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most that can be said in so many bytes by anybody who has something to say.
const MAX_LINES: usize = 200_000;
/// A calendar, an event, an alarm, and some room.
const MAX_DEPTH: usize = 8;

/// What stands between BEGIN and END.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    /// In upper case.
    pub(crate) name: String,
    pub(crate) properties: Vec<Property>,
    pub(crate) components: Vec<Component>,
}

/// Why a text is no calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// From 1, folded lines counted as one.
    line: usize,
    what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the calendar object: {}", self.line, self.what)
    }
}

impl Component {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_ascii_uppercase(), properties: Vec::new(), components: Vec::new() }
    }

    /// The first property of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties.iter().filter(move |property| property.name == name)
    }

    /// The value of a property as it stands there, without blanks around it.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.get(name).map(|property| property.value.trim()).filter(|value| !value.is_empty())
    }

    /// The value of a property that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = unescape(&self.get(name)?.value);
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    }

    /// Whether a property says this, in whatever case.
    pub(crate) fn says(&self, name: &str, value: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.eq_ignore_ascii_case(value))
    }

    pub(crate) fn parts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Component> {
        self.components.iter().filter(move |component| component.name == name)
    }

    /// Put a property in the place of the first of its name; the others of that name go.
    pub(crate) fn set(&mut self, property: Property) {
        let place = self.properties.iter().position(|other| other.name == property.name);
        let place = place.unwrap_or(self.properties.len());
        self.properties.retain({
            let mut at = 0;
            let name = property.name.clone();
            move |other| {
                at += 1;
                at - 1 == place || other.name != name
            }
        });
        if place < self.properties.len() {
            self.properties[place] = property;
        } else {
            self.properties.push(property);
        }
    }

    pub(crate) fn take_out(&mut self, name: &str) {
        self.properties.retain(|property| property.name != name);
    }

    /// The text of all of it.
    pub(crate) fn write(&self) -> String {
        let mut text = String::new();
        self.write_to(&mut text);
        text
    }

    fn write_to(&self, text: &mut String) {
        line::fold(&format!("BEGIN:{}", self.name), text);
        for property in &self.properties {
            line::fold(&property.write(), text);
        }
        for component in &self.components {
            component.write_to(text);
        }
        line::fold(&format!("END:{}", self.name), text);
    }
}

/// The first component of a text. What follows it is nobody's.
pub(crate) fn parse(text: &[u8]) -> Result<Component, Malformed> {
    if text.len() > MAX_BYTES {
        return Err(Malformed { line: 1, what: "it is larger than 4 MiB" });
    }
    let mut open: Vec<Component> = Vec::new();
    let mut number = 0;
    for text in line::unfolded(text) {
        number += 1;
        let malformed = |what| Err(Malformed { line: number, what });
        if number > MAX_LINES {
            return malformed("it has more than 200,000 lines");
        }
        // A line that is no property cannot be told from the rest of one that was folded wrongly.
        let Some(property) = Property::parse(&text) else { continue };
        let value = property.value.trim();
        match property.name.as_str() {
            "BEGIN" if open.len() == MAX_DEPTH => return malformed("it is nested more than 8 deep"),
            "BEGIN" => open.push(Component::new(value)),
            "END" => {
                let Some(whole) = open.pop() else { return malformed("something ends that never began") };
                if !whole.name.eq_ignore_ascii_case(value) {
                    return malformed("something else ends than what began");
                }
                match open.last_mut() {
                    Some(parent) => parent.components.push(whole),
                    None => return Ok(whole),
                }
            }
            _ => match open.last_mut() {
                Some(component) => component.properties.push(property),
                None => return malformed("it does not begin with BEGIN"),
            },
        }
    }
    Err(Malformed { line: number, what: "it ends in the middle" })
}

/// A text as it stands in a value.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' | '\n' => escaped.push_str("\\n"),
            letter if letter.is_control() && letter != '\t' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The text that stands in a value.
pub(crate) fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            letter => text.push(letter),
        }
    }
    text
}
