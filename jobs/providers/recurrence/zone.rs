//! From the clock on the wall to the time, and back: by a zone of the IANA, or by the rules that an object brings along.
//!
//! A time that a clock skips is taken as if it had not been put yet, and of a time that it shows twice the first is meant
//! (RFC 5545, 3.3.5). Section 3.3.10 says in one place that skipped instances count as explicit times do, and in another that
//! they are left out: they are kept, because somebody is busy then.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use chrono::{DateTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::{
    super::{
        ical::{Component, Property, Stamp},
        zones,
    },
    Rule, instances,
};

/// No clock is further away from UTC, in seconds.
const FURTHEST: i64 = 16 * 3600;
/// Clocks are put twice a year; some zones were told day by day.
const MAX_ONSETS: usize = 2000;
/// How far before a stretch of time its clocks were put last, at the most: each rule of a zone is of a year.
const LOOK_BACK: TimeDelta = TimeDelta::days(3 * 366);

/// How the clocks of a place go.
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    Named(Tz),
    /// As a VTIMEZONE tells it.
    Told(Arc<Told>),
}

impl Zone {
    pub(crate) const UTC: Self = Self::Named(Tz::UTC);

    /// How far the clock is ahead at a time, in seconds.
    fn ahead(&self, utc: NaiveDateTime) -> i64 {
        match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into(),
            Self::Told(told) => told.ahead(utc),
        }
    }

    /// When a clock there shows this.
    pub(crate) fn time(&self, clock: NaiveDateTime) -> DateTime<Utc> {
        let away = |seconds: i64| clock.checked_sub_signed(TimeDelta::seconds(seconds)).unwrap_or(clock);
        let (before, behind) = (self.ahead(away(FURTHEST)), self.ahead(away(-FURTHEST)));
        let is_so = |ahead: i64| self.ahead(away(ahead)) == ahead;
        let ahead = if before != behind && !is_so(before) && is_so(behind) { behind } else { before };
        away(ahead).and_utc()
    }

    /// What a clock there shows.
    pub(crate) fn clock(&self, time: DateTime<Utc>) -> NaiveDateTime {
        let utc = time.naive_utc();
        utc.checked_add_signed(TimeDelta::seconds(self.ahead(utc))).unwrap_or(utc)
    }
}

/// A zone's clocks as an object tells of them.
#[derive(Debug)]
pub(crate) struct Told {
    /// Before any was put.
    first: i64,
    /// When one was put, and how far it is ahead since; in order.
    onsets: Vec<(NaiveDateTime, i64)>,
}

impl Told {
    fn ahead(&self, utc: NaiveDateTime) -> i64 {
        let behind = self.onsets.partition_point(|(at, _)| *at <= utc);
        behind.checked_sub(1).map_or(self.first, |at| self.onsets[at].1)
    }

    /// Right between the two times. Before the first, it is right for years that a rule covers.
    fn read(zone: &Component, from: NaiveDateTime, to: NaiveDateTime) -> Result<Self, String> {
        let mut onsets = Vec::new();
        for part in zone.components.iter().filter(|part| ["STANDARD", "DAYLIGHT"].contains(&part.name.as_str())) {
            let offset =
                |name: &str| part.raw(name).and_then(offset).ok_or_else(|| format!("a zone of it has no {name}"));
            let (before, since) = (offset("TZOFFSETFROM")?, offset("TZOFFSETTO")?);
            for at in clocks_put(part, before, from, to)? {
                let utc = at.checked_sub_signed(TimeDelta::seconds(before)).unwrap_or(at);
                onsets.push((utc, before, since));
            }
            if onsets.len() > MAX_ONSETS {
                return Err("a zone of it puts its clocks too often".to_owned());
            }
        }
        onsets.sort_by_key(|(at, ..)| *at);
        let first = onsets.first().ok_or("a zone of it has neither STANDARD nor DAYLIGHT")?.1;
        Ok(Self { first, onsets: onsets.into_iter().map(|(at, _, since)| (at, since)).collect() })
    }
}

/// When clocks are put by one part of a zone, as they show then; only as far back as it matters.
fn clocks_put(
    part: &Component,
    before: i64,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> Result<Vec<NaiveDateTime>, String> {
    let start = part.raw("DTSTART").and_then(Stamp::parse).ok_or("a zone of it has no DTSTART")?.naive();
    let mut found = vec![start];
    for rule in part.all("RRULE") {
        let rule = Rule::parse(&rule.value)?;
        let until = rule.until.map(|until| match until {
            Stamp::Utc(utc) => utc.checked_add_signed(TimeDelta::seconds(before)).unwrap_or(utc),
            Stamp::Local(_) | Stamp::Day(_) => until.naive(),
        });
        let last = until.map_or(to, |until| until.min(to));
        let first = from.min(last).checked_sub_signed(LOOK_BACK).unwrap_or(start);
        let made = instances(&rule, start, first, last, MAX_ONSETS);
        found.extend(made.map_err(|fault| format!("a zone of it: {fault}"))?);
    }
    for dates in part.all("RDATE") {
        let dates = dates.value.split(',').filter_map(|text| Stamp::parse(text.split('/').next().unwrap_or_default()));
        found.extend(dates.map(Stamp::naive).take(MAX_ONSETS));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// `+0100`, `-0330`, `+013456`; in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if ![4, 6].contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Ok(0), str::parse::<i64>).ok();
    let seconds = part(0)? * 3600 + part(2)? * 60 + part(4)?;
    (seconds < FURTHEST).then_some(sign * seconds)
}

/// The zones that an object names.
pub(crate) struct Zones<'a> {
    object: &'a Component,
    /// Of times that name none: the object's, or else the calendar's.
    floating: Tz,
    /// What is told has to be right in between.
    from: NaiveDateTime,
    to: NaiveDateTime,
    known: RefCell<HashMap<String, Zone>>,
}

impl<'a> Zones<'a> {
    pub(crate) fn new(object: &'a Component, calendar: Tz, from: NaiveDateTime, to: NaiveDateTime) -> Self {
        let floating = object.raw("X-WR-TIMEZONE").and_then(zones::zone).unwrap_or(calendar);
        Self { object, floating, from, to, known: RefCell::default() }
    }

    pub(crate) fn floating(&self) -> Zone {
        Zone::Named(self.floating)
    }

    /// The zone that a property names, if it does.
    pub(crate) fn of(&self, property: &Property) -> Result<Option<Zone>, String> {
        property.parameter("TZID").map(str::trim).filter(|id| !id.is_empty()).map(|id| self.named(id)).transpose()
    }

    /// By the IANA's name or Windows', by one that has the IANA's at its end, by what the object tells.
    fn named(&self, id: &str) -> Result<Zone, String> {
        if let Some(zone) = self.known.borrow().get(id) {
            return Ok(zone.clone());
        }
        let zone = match by_name(id) {
            Some(zone) => Zone::Named(zone),
            None => self.told(id)?,
        };
        self.known.borrow_mut().insert(id.to_owned(), zone.clone());
        Ok(zone)
    }

    fn told(&self, id: &str) -> Result<Zone, String> {
        let is_it = |zone: &&Component| zone.raw("TZID") == Some(id);
        let zone = self.object.parts("VTIMEZONE").find(is_it);
        let zone = zone.ok_or("it names a zone that is neither known nor told of in it")?;
        if let Some(zone) = zone.raw("X-LIC-LOCATION").and_then(zones::zone) {
            return Ok(Zone::Named(zone));
        }
        Told::read(zone, self.from, self.to).map(|told| Zone::Told(Arc::new(told)))
    }
}

/// The one zone that an object tells of, if it is one of the IANA's.
pub(crate) fn zone_told(object: &Component) -> Option<Tz> {
    let zone = object.parts("VTIMEZONE").next()?;
    zone.raw("TZID").and_then(by_name).or_else(|| zone.raw("X-LIC-LOCATION").and_then(zones::zone))
}

/// `Europe/Berlin`, `W. Europe Standard Time`, `/freeassociation.sourceforge.net/Europe/Berlin`.
fn by_name(id: &str) -> Option<Tz> {
    let ends = || id.rmatch_indices('/').take(3).map(|(at, _)| &id[at + 1..]);
    let candidates = std::iter::once(id).chain(ends().filter(|end| end.contains('/')));
    candidates.filter(|name| !name.is_empty()).find_map(zones::zone)
}

#[cfg(test)]
mod tests {
    use super::{super::super::ical, *};

    fn at(text: &str) -> NaiveDateTime {
        Stamp::parse(text).unwrap().naive()
    }

    /// As Outlook writes it, under a name that says nothing.
    const OUTLOOK: &str = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Customized Time Zone\n\
        BEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n\
        RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n\
        BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
        RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\nEND:VCALENDAR\n";

    fn told(text: &str, id: &str) -> Zone {
        let object = ical::parse(text.as_bytes()).unwrap();
        Zones::new(&object, Tz::UTC, at("20260101"), at("20280101")).named(id).unwrap()
    }

    #[test]
    fn a_zone_that_is_told_is_as_one_that_is_known() {
        let (known, told) = (Zone::Named(Tz::Europe__Berlin), told(OUTLOOK, "Customized Time Zone"));
        assert!(matches!(told, Zone::Told(_)));
        let mut clock = at("20260101T001500");
        while clock < at("20280101") {
            assert_eq!(told.time(clock), known.time(clock), "{clock}");
            assert_eq!(told.clock(clock.and_utc()), known.clock(clock.and_utc()), "{clock}");
            clock += TimeDelta::minutes(30);
        }
    }

    #[test]
    fn clocks_that_are_put_no_more_stay_as_they_are() {
        let text = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Old\n\
            BEGIN:STANDARD\nDTSTART:19971026T030000\nTZOFFSETFROM:+0400\nTZOFFSETTO:+0300\n\
            RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10;UNTIL=20101030T230000Z\nEND:STANDARD\n\
            BEGIN:DAYLIGHT\nDTSTART:19980329T020000\nTZOFFSETFROM:+0300\nTZOFFSETTO:+0400\n\
            RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3;UNTIL=20110326T230000Z\nEND:DAYLIGHT\n\
            BEGIN:STANDARD\nDTSTART:20141026T020000\nTZOFFSETFROM:+0400\nTZOFFSETTO:+0300\nEND:STANDARD\n\
            END:VTIMEZONE\nEND:VCALENDAR\n";
        let zone = told(text, "Old");
        for (clock, utc) in [("20260715T120000", "2026-07-15T09:00:00Z"), ("20270115T120000", "2027-01-15T09:00:00Z")] {
            assert_eq!(zone.time(at(clock)), utc.parse::<DateTime<Utc>>().unwrap());
        }
    }

    #[test]
    fn skipped_and_doubled_times_are_as_the_standard_says() {
        for zone in [Zone::Named(Tz::Europe__Berlin), told(OUTLOOK, "Customized Time Zone")] {
            for (clock, utc) in [
                ("20260329T015959", "2026-03-29T00:59:59Z"),
                ("20260329T020000", "2026-03-29T01:00:00Z"),
                ("20260329T023000", "2026-03-29T01:30:00Z"),
                ("20260329T030000", "2026-03-29T01:00:00Z"),
                ("20261025T015959", "2026-10-24T23:59:59Z"),
                ("20261025T020000", "2026-10-25T00:00:00Z"),
                ("20261025T025959", "2026-10-25T00:59:59Z"),
                ("20261025T030000", "2026-10-25T02:00:00Z"),
            ] {
                assert_eq!(zone.time(at(clock)), utc.parse::<DateTime<Utc>>().unwrap(), "{clock}");
            }
        }
        for (zone, clock, utc) in [
            (Tz::Australia__Lord_Howe, "20261004T021500", "2026-10-03T15:45:00Z"),
            (Tz::Pacific__Apia, "20111230T120000", "2011-12-30T22:00:00Z"),
            (Tz::America__St_Johns, "20260308T023000", "2026-03-08T06:00:00Z"),
            (Tz::Asia__Kathmandu, "20260601T000000", "2026-05-31T18:15:00Z"),
            (Tz::America__Sao_Paulo, "20181104T003000", "2018-11-04T03:30:00Z"),
        ] {
            assert_eq!(Zone::Named(zone).time(at(clock)), utc.parse::<DateTime<Utc>>().unwrap(), "{clock}");
        }
    }

    #[test]
    fn a_zone_is_found_by_every_name_that_calendars_give_it() {
        for (id, found) in [
            ("Europe/Berlin", Some(Tz::Europe__Berlin)),
            ("W. Europe Standard Time", Some(Tz::Europe__Berlin)),
            ("/freeassociation.sourceforge.net/Europe/Berlin", Some(Tz::Europe__Berlin)),
            ("/mozilla.org/20050126_1/America/New_York", Some(Tz::America__New_York)),
            (
                "/softwarestudio.org/Olson_20011030_5/America/Argentina/Buenos_Aires",
                Some(Tz::America__Argentina__Buenos_Aires),
            ),
            ("UTC", Some(Tz::UTC)),
            ("Customized Time Zone", None),
            ("/", None),
        ] {
            assert_eq!(by_name(id), found, "{id}");
        }
        let object = ical::parse(b"BEGIN:VCALENDAR\nEND:VCALENDAR\n").unwrap();
        let zones = Zones::new(&object, Tz::UTC, at("20260101"), at("20280101"));
        assert_eq!(
            zones.named("Nowhere").map(drop).unwrap_err(),
            "it names a zone that is neither known nor told of in it"
        );
    }

    #[test]
    fn an_offset_is_read_or_refused() {
        for (text, seconds) in
            [("+0100", Some(3600)), ("-0330", Some(-12_600)), ("+005328", Some(3208)), ("-0000", Some(0))]
        {
            assert_eq!(offset(text), seconds, "{text}");
        }
        for text in ["", "0100", "+1", "+01:00", "+2400", "++100", "+01é"] {
            assert_eq!(offset(text), None, "{text}");
        }
    }
}
