//! What zones are called: by the IANA, and by Windows.
//!
//! `windows_zones.csv` has one IANA zone for each name of Windows: that of territory 001 of Unicode's CLDR. Many IANA
//! zones have no name of their own at Windows; those who take such names take those of the IANA as well.

use std::{collections::HashMap, sync::LazyLock};

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

const TABLE: &str = include_str!("windows_zones.csv");

/// By the name in lower case: some write it so.
static BY_WINDOWS: LazyLock<HashMap<String, &str>> =
    LazyLock::new(|| rows().map(|(windows, iana)| (windows.to_lowercase(), iana)).collect());
static BY_IANA: LazyLock<HashMap<&str, &str>> =
    LazyLock::new(|| rows().map(|(windows, iana)| (iana, windows)).collect());

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).skip(1).filter_map(|line| line.split_once(','))
}

/// The IANA's name of a zone that Windows calls so.
pub(crate) fn iana(windows: &str) -> Option<&'static str> {
    BY_WINDOWS.get(&windows.trim().to_lowercase()).copied()
}

/// What Windows calls the zone, if it has a name for it.
pub(crate) fn windows(iana: &str) -> Option<&'static str> {
    BY_IANA.get(iana.trim()).copied()
}

/// The zone of either name.
pub(crate) fn zone(name: &str) -> Option<Tz> {
    let name = name.trim();
    name.parse().ok().or_else(|| iana(name)?.parse().ok())
}

/// The instant of a time on the clocks of a zone. As RFC 5545 has it: of a time that comes twice, the first; one that
/// the clocks leave out is read as before they were put forward. None only at the ends of time.
pub(crate) fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    // No zone has ever left out more than a day.
    let step = TimeDelta::hours(24);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
        LocalResult::None => {
            let before = zone.from_local_datetime(&local.checked_sub_signed(step)?).earliest()?;
            before.to_utc().checked_add_signed(step)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_windows_leads_to_a_zone_that_is_known_and_back() {
        let mut seen = 0;
        for (windows_name, iana_name) in rows() {
            assert!(iana_name.parse::<Tz>().is_ok(), "{windows_name}: {iana_name}");
            assert_eq!(iana(windows_name), Some(iana_name));
            assert_eq!(windows(iana_name).and_then(iana), Some(iana_name), "{windows_name}");
            seen += 1;
        }
        assert!(seen > 130, "{seen} zones");
    }

    #[test]
    fn a_zone_is_found_by_either_name() {
        for (name, found) in [
            ("W. Europe Standard Time", Some(Tz::Europe__Berlin)),
            ("w. europe standard time", Some(Tz::Europe__Berlin)),
            ("Europe/Vienna", Some(Tz::Europe__Vienna)),
            (" UTC ", Some(Tz::UTC)),
            ("India Standard Time", Some(Tz::Asia__Calcutta)),
            ("tzone://Microsoft/Custom", None),
            ("Customized Time Zone", None),
            ("", None),
        ] {
            assert_eq!(zone(name), found, "{name}");
        }
        assert_eq!(windows("Europe/Berlin"), Some("W. Europe Standard Time"));
        assert_eq!(windows("Europe/Vienna"), None);
    }

    #[test]
    fn a_time_that_clocks_leave_out_or_show_twice_is_one_instant() {
        for (zone, local, instant_of) in [
            (Tz::Europe__Berlin, "2027-01-12T10:00:00", "2027-01-12T09:00:00Z"),
            // Left out: read with the offset of before, an hour later on the new clocks.
            (Tz::Europe__Berlin, "2027-03-28T02:30:00", "2027-03-28T01:30:00Z"),
            (Tz::Europe__Berlin, "2027-10-31T02:30:00", "2027-10-31T00:30:00Z"),
            (Tz::America__New_York, "2027-03-14T02:15:00", "2027-03-14T07:15:00Z"),
            // A whole day was left out.
            (Tz::Pacific__Apia, "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"),
        ] {
            assert_eq!(instant(zone, local.parse().unwrap()), Some(instant_of.parse().unwrap()), "{zone} {local}");
        }
    }
}
