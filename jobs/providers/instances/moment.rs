//! A time as an object gives it, with the clock that it is meant by.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::super::{
    ical::{Property, Stamp},
    recurrence::{Zone, Zones},
};

/// A day, or a time on the clock of a zone.
#[derive(Debug, Clone)]
pub(super) enum Moment {
    Day(NaiveDate),
    Time { clock: NaiveDateTime, zone: Zone },
}

/// What tells one instance of a series from the others: when it would take place by the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Day(NaiveDate),
    Time(DateTime<Utc>),
}

impl Key {
    /// As RECURRENCE-ID has it in UTC.
    pub(super) fn name(self) -> String {
        match self {
            Self::Day(day) => day.format("%Y%m%d").to_string(),
            Self::Time(time) => time.format("%Y%m%dT%H%M%SZ").to_string(),
        }
    }
}

impl Moment {
    /// The one time of a property. What names no zone is of `floating`.
    pub(super) fn read(property: &Property, zones: &Zones<'_>, floating: &Zone) -> Result<Self, String> {
        let fault = || format!("its {} is no time", property.name);
        let stamp = Stamp::parse(&property.value).ok_or_else(fault)?;
        Self::of(stamp, property, zones, floating)
    }

    /// One of the times of a property.
    pub(super) fn of(stamp: Stamp, property: &Property, zones: &Zones<'_>, floating: &Zone) -> Result<Self, String> {
        Ok(match stamp {
            Stamp::Day(day) => Self::Day(day),
            Stamp::Utc(clock) => Self::Time { clock, zone: Zone::UTC },
            Stamp::Local(clock) => Self::Time { clock, zone: zones.of(property)?.unwrap_or_else(|| floating.clone()) },
        })
    }

    /// What a clock shows; of a day its beginning.
    pub(super) fn clock(&self) -> NaiveDateTime {
        match self {
            Self::Day(day) => Stamp::Day(*day).naive(),
            Self::Time { clock, .. } => *clock,
        }
    }

    /// The same kind of moment, on the same clock, when that shows something else.
    pub(super) fn at(&self, clock: NaiveDateTime) -> Self {
        match self {
            Self::Day(_) => Self::Day(clock.date()),
            Self::Time { zone, .. } => Self::Time { clock, zone: zone.clone() },
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::Day(day) => Key::Day(*day),
            Self::Time { clock, zone } => Key::Time(zone.time(*clock)),
        }
    }

    pub(super) fn day(&self) -> NaiveDate {
        self.clock().date()
    }

    /// The zone of its clock; of a day `otherwise`.
    pub(super) fn zone(&self, otherwise: &Zone) -> Zone {
        match self {
            Self::Day(_) => otherwise.clone(),
            Self::Time { zone, .. } => zone.clone(),
        }
    }
}
