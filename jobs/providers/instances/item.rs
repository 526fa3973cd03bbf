//! One VEVENT: when it begins, how long it takes, and how its owner shows it.

use chrono::{DateTime, Days, NaiveDateTime, TimeDelta, Utc};

use super::{
    super::{
        Shown, When,
        ical::{Component, Property, Span},
        recurrence::{Zone, Zones},
    },
    moment::Moment,
};

/// How long each instance takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// As it was between two times, whatever clocks do.
    Exact(TimeDelta),
    /// As it was said: a day is as long as it is there.
    Said(Span),
}

#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub(super) component: &'a Component,
    pub(super) start: Moment,
    pub(super) length: Length,
    pub(super) sequence: i64,
}

impl<'a> Item<'a> {
    pub(super) fn read(component: &'a Component, zones: &Zones<'_>) -> Result<Self, String> {
        let floating = zones.floating();
        let start = component.get("DTSTART").ok_or("it has no DTSTART")?;
        let start = Moment::read(start, zones, &floating)?;
        let length = match (component.get("DTEND"), component.raw("DURATION")) {
            (Some(end), _) => {
                let end = Moment::read(end, zones, &start.zone(&floating))?;
                between(&start, &end)?
            }
            (None, Some(text)) => {
                let span = Span::parse(text).ok_or("its DURATION is none")?;
                if span.days < 0 || span.seconds < 0 {
                    return Err("it ends before it begins".to_owned());
                }
                Length::Said(span)
            }
            (None, None) => Length::Said(Span { days: i64::from(matches!(start, Moment::Day(_))), seconds: 0 }),
        };
        let sequence = component.raw("SEQUENCE").and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Self { component, start, length, sequence })
    }

    /// When an instance takes place that begins so.
    pub(super) fn when(&self, start: &Moment) -> Option<When> {
        match start {
            Moment::Day(first) => {
                let days = match self.length {
                    Length::Exact(time) => time.num_days(),
                    Length::Said(span) => span.days + (span.seconds + 86_399) / 86_400,
                };
                // A day that is over when it begins is meant as one.
                let after = first.checked_add_days(Days::new(days.max(1).try_into().ok()?))?;
                Some(When::AllDay { first: *first, after })
            }
            Moment::Time { clock, zone } => {
                let begin = zone.time(*clock);
                Some(When::Timed { start: begin, end: self.end(begin, *clock, zone)? })
            }
        }
    }

    fn end(&self, start: DateTime<Utc>, clock: NaiveDateTime, zone: &Zone) -> Option<DateTime<Utc>> {
        match self.length {
            Length::Exact(time) => start.checked_add_signed(time),
            Length::Said(Span { days: 0, seconds }) => start.checked_add_signed(TimeDelta::try_seconds(seconds)?),
            Length::Said(Span { days, seconds }) => {
                let there = zone.time(clock.checked_add_days(Days::new(days.try_into().ok()?))?);
                there.checked_add_signed(TimeDelta::try_seconds(seconds)?)
            }
        }
    }

    /// At least as long as any instance takes.
    pub(super) fn longest(&self) -> TimeDelta {
        match self.length {
            Length::Exact(time) => time,
            Length::Said(span) => {
                let days = span.days.saturating_add(span.seconds / 86_400).saturating_add(1);
                TimeDelta::try_days(days).unwrap_or(TimeDelta::MAX)
            }
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.component.says("STATUS", "CANCELLED")
    }

    pub(super) fn is_private(&self) -> bool {
        self.component.says("CLASS", "PRIVATE") || self.component.says("CLASS", "CONFIDENTIAL")
    }

    pub(super) fn shown(&self, owners: &[String]) -> Shown {
        let event = self.component;
        if event.says("TRANSP", "TRANSPARENT") {
            return Shown::Free;
        }
        match event.raw("X-MICROSOFT-CDO-BUSYSTATUS").map(str::to_ascii_uppercase).as_deref() {
            Some("FREE" | "WORKINGELSEWHERE") => return Shown::Free,
            Some("TENTATIVE") => return Shown::Tentative,
            Some("OOF") => return Shown::Away,
            _ => {}
        }
        let maybe = event.says("STATUS", "TENTATIVE") || self.answer(owners) == Some("TENTATIVE");
        if maybe { Shown::Tentative } else { Shown::Busy }
    }

    pub(super) fn is_declined(&self, owners: &[String]) -> bool {
        matches!(self.answer(owners), Some("DECLINED" | "DELEGATED"))
    }

    /// What the owner answered, if invited.
    fn answer(&self, owners: &[String]) -> Option<&'static str> {
        let mine = self.component.all("ATTENDEE").find(|attendee| is_of(attendee, owners))?;
        let answer = mine.parameter("PARTSTAT")?.trim();
        ["DECLINED", "DELEGATED", "TENTATIVE"].into_iter().find(|known| answer.eq_ignore_ascii_case(known))
    }
}

/// An address, or the EMAIL that stands beside one that is no mail.
fn is_of(attendee: &Property, owners: &[String]) -> bool {
    let mine = |address: &str| {
        let address = address.trim().to_lowercase();
        let address = address.strip_prefix("mailto:").unwrap_or(&address);
        owners.iter().any(|owner| owner == address)
    };
    mine(&attendee.value) || attendee.parameter("EMAIL").is_some_and(mine)
}

fn between(start: &Moment, end: &Moment) -> Result<Length, String> {
    let length = match (start, end) {
        (Moment::Time { clock, zone }, Moment::Time { clock: end, zone: there }) => {
            there.time(*end) - zone.time(*clock)
        }
        // A time that ends on a day ends when that begins; a day that ends at a time ends with it.
        (Moment::Time { clock, zone }, Moment::Day(_)) => zone.time(end.clock()) - zone.time(*clock),
        (Moment::Day(_), Moment::Time { clock: end, .. }) => {
            let time = *end - start.clock();
            TimeDelta::days((time.num_seconds() + 86_399).div_euclid(86_400))
        }
        (Moment::Day(start), Moment::Day(end)) => *end - *start,
    };
    if length < TimeDelta::zero() {
        return Err("it ends before it begins".to_owned());
    }
    Ok(Length::Exact(length))
}
