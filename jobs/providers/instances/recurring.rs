//! A series: what its rules and dates make, without what is left out, and with what is otherwise.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::{
    super::{
        Event, When,
        ical::{Component, Property, Span, Stamp},
        recurrence::{Rule, Zone, Zones, instances},
    },
    MAX_INSTANCES, Source, WORLD, event, is_within,
    item::Item,
    moment::{Key, Moment},
};

/// Nobody looks further back for what may still be going on.
const MAX_SLACK: TimeDelta = TimeDelta::days(3660);

/// An instance that is otherwise.
struct Other<'a> {
    /// Which one.
    instance: Moment,
    /// And all that follow.
    and_all_behind: bool,
    item: Item<'a>,
}

/// Append the events of one series.
pub(super) fn expand(
    source: &Source<'_>,
    zones: &Zones<'_>,
    id: &str,
    parts: &[&Component],
    found: &mut Vec<Event>,
) -> Result<(), String> {
    let (masters, others): (Vec<&Component>, Vec<&Component>) =
        parts.iter().copied().partition(|part| part.get("RECURRENCE-ID").is_none());
    let masters = masters.into_iter().map(|part| Item::read(part, zones)).collect::<Result<Vec<_>, _>>()?;
    // Of two, the later one counts.
    let master = masters.into_iter().max_by_key(|item| item.sequence);
    let floating = master.as_ref().map_or_else(|| zones.floating(), |master| master.start.zone(&zones.floating()));
    let others = others.into_iter().map(|part| other(part, zones, &floating)).collect::<Result<Vec<_>, _>>()?;
    // Without its series nothing follows an instance.
    let follows = |other: &Other<'_>| other.and_all_behind && master.is_some();
    let (following, single): (Vec<_>, Vec<_>) = others.into_iter().partition(follows);
    let singles = newest(single, master.as_ref());

    if let Some(master) = &master {
        let mut series = Series { source, zones, id, master, following: behind(following, master), found: &mut *found };
        series.expand(&singles)?;
    }
    for (key, other) in &singles {
        if other.item.is_cancelled() {
            continue;
        }
        if let Some(when) = other.item.when(&other.item.start).filter(|when| is_within(*when, source)) {
            found.push(event(&other.item, source, format!("{id}#{}", key.name()), when));
        }
    }
    Ok(())
}

fn other<'a>(part: &'a Component, zones: &Zones<'_>, floating: &Zone) -> Result<Other<'a>, String> {
    let which = part.get("RECURRENCE-ID").ok_or("it has no RECURRENCE-ID")?;
    let and_all_behind = which.parameter("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
    Ok(Other { instance: Moment::read(which, zones, floating)?, and_all_behind, item: Item::read(part, zones)? })
}

/// By the instance; of two for one the later counts.
fn newest<'a>(others: Vec<Other<'a>>, master: Option<&Item<'a>>) -> BTreeMap<Key, Other<'a>> {
    let mut newest: BTreeMap<Key, Other<'a>> = BTreeMap::new();
    for other in others {
        let key = match master {
            Some(master) => key_like(&other.instance, &master.start),
            None => other.instance.key(),
        };
        if newest.get(&key).is_none_or(|known| known.item.sequence <= other.item.sequence) {
            newest.insert(key, other);
        }
    }
    newest
}

/// Some name an instance of days by a time.
fn key_like(moment: &Moment, start: &Moment) -> Key {
    match start {
        Moment::Day(_) => Key::Day(moment.day()),
        Moment::Time { .. } => moment.key(),
    }
}

/// A moment on the clock of the series. A day among times is the time of that day, and a time among days its day.
fn clock_in(moment: &Moment, start: &Moment) -> NaiveDateTime {
    match (moment, start) {
        (Moment::Day(day), Moment::Time { clock, .. }) => day.and_time(clock.time()),
        (Moment::Day(_) | Moment::Time { .. }, Moment::Day(_)) => Stamp::Day(moment.day()).naive(),
        (Moment::Time { clock, zone }, Moment::Time { zone: there, .. }) => there.clock(zone.time(*clock)),
    }
}

/// Where each begins to count, on the clock of the series, in order.
fn behind<'a>(following: Vec<Other<'a>>, master: &Item<'a>) -> Vec<(NaiveDateTime, Other<'a>)> {
    let mut all: Vec<_> =
        following.into_iter().map(|other| (clock_in(&other.instance, &master.start), other)).collect();
    all.sort_by_key(|(from, other)| (*from, other.item.sequence));
    all
}

struct Series<'s, 'a> {
    source: &'s Source<'s>,
    zones: &'s Zones<'s>,
    id: &'s str,
    master: &'s Item<'a>,
    following: Vec<(NaiveDateTime, Other<'a>)>,
    found: &'s mut Vec<Event>,
}

/// On the clock of the series, with the ends of those that say their own.
type Clocks = BTreeMap<NaiveDateTime, Option<When>>;

impl<'a> Series<'_, 'a> {
    fn expand(&mut self, singles: &BTreeMap<Key, Other<'a>>) -> Result<(), String> {
        let event = self.master.component;
        if self.master.is_cancelled() {
            return Ok(());
        }
        let recurs = ["RRULE", "RDATE"].iter().any(|name| event.get(name).is_some());
        let mut clocks = self.made("RRULE")?;
        clocks.insert(self.master.start.clock(), None);
        self.add_dates(&mut clocks)?;
        for clock in self.made("EXRULE")?.into_keys().filter(|clock| *clock != self.master.start.clock()) {
            clocks.remove(&clock);
        }
        self.leave_out(&mut clocks)?;
        clocks.extend(self.following.iter().map(|(from, _)| (*from, None)));
        if clocks.len() > MAX_INSTANCES {
            return Err(format!("it repeats more than {MAX_INSTANCES} times"));
        }
        let mut last = None;
        for (clock, when) in clocks {
            let moment = self.master.start.at(clock);
            let key = moment.key();
            // Two that a skipped hour brings together are one.
            if last == Some(key) || singles.contains_key(&key) || singles.contains_key(&Key::Day(clock.date())) {
                continue;
            }
            last = Some(key);
            let id = if recurs { format!("{}#{}", self.id, key.name()) } else { self.id.to_owned() };
            self.take(id, clock, when);
        }
        Ok(())
    }

    /// One instance as it takes place, if it does, within the window.
    fn take(&mut self, id: String, clock: NaiveDateTime, when: Option<When>) {
        let until_here = self.following.partition_point(|(from, _)| *from <= clock);
        let (item, when) = match until_here.checked_sub(1).map(|at| &self.following[at]) {
            Some((_, other)) if other.item.is_cancelled() => return,
            Some((from, other)) => {
                let moved = other.item.start.clock().checked_add_signed(clock - *from);
                (&other.item, moved.and_then(|clock| other.item.when(&other.item.start.at(clock))))
            }
            None => (self.master, when.or_else(|| self.master.when(&self.master.start.at(clock)))),
        };
        if let Some(when) = when.filter(|when| is_within(*when, self.source)) {
            self.found.push(event(item, self.source, id, when));
        }
    }

    /// What rules make, near the window.
    fn made(&self, name: &str) -> Result<Clocks, String> {
        let start = &self.master.start;
        let zone = start.zone(&self.zones.floating());
        let slack = self.slack();
        let clock = |time: DateTime<Utc>, more: TimeDelta| {
            let clock = zone.clock(time);
            clock.checked_add_signed(more).unwrap_or(clock)
        };
        let (from, to) = (clock(self.source.window.from, -slack), clock(self.source.window.to, slack));
        let mut all = Clocks::new();
        for property in self.master.component.all(name) {
            let rule = Rule::parse(&property.value)?;
            let to = rule.until.map_or(to, |until| to.min(last(until, start, &zone)));
            let made = instances(&rule, start.clock(), from, to, MAX_INSTANCES).map_err(|fault| fault.to_string())?;
            let in_time = |clock: &NaiveDateTime| match (rule.until, start) {
                (Some(Stamp::Utc(until)), Moment::Time { zone, .. }) => zone.time(*clock).naive_utc() <= until,
                _ => true,
            };
            all.extend(made.into_iter().filter(in_time).map(|clock| (clock, None)));
        }
        Ok(all)
    }

    /// How far outside of the window an instance may be that is moved into it, or lasts until then.
    fn slack(&self) -> TimeDelta {
        let moved = |(from, other): &(NaiveDateTime, Other<'_>)| {
            (other.item.start.clock() - *from).abs().checked_add(&other.item.longest()).unwrap_or(MAX_SLACK)
        };
        let most = self.following.iter().map(moved).chain([self.master.longest()]).max();
        most.unwrap_or_default().clamp(TimeDelta::zero(), MAX_SLACK) + WORLD
    }

    fn add_dates(&self, clocks: &mut Clocks) -> Result<(), String> {
        let floating = self.master.start.zone(&self.zones.floating());
        for property in self.master.component.all("RDATE") {
            for text in property.value.split(',').filter(|text| !text.trim().is_empty()) {
                let (text, end) = text.split_once('/').map_or((text, None), |(text, end)| (text, Some(end)));
                let stamp = Stamp::parse(text).ok_or("its RDATE is no time")?;
                let start = Moment::of(stamp, property, self.zones, &floating)?;
                let when = end.map(|end| self.period(&start, end, property)).transpose()?;
                clocks.insert(clock_in(&start, &self.master.start), when);
                if clocks.len() > MAX_INSTANCES {
                    return Err(format!("it repeats more than {MAX_INSTANCES} times"));
                }
            }
        }
        Ok(())
    }

    /// From a moment to an end that is a time or a duration.
    fn period(&self, start: &Moment, end: &str, property: &Property) -> Result<When, String> {
        let fault = || "its RDATE is no period".to_owned();
        let Moment::Time { clock, zone } = start else { return Err(fault()) };
        let begin = zone.time(*clock);
        let end = match (Span::parse(end), Stamp::parse(end)) {
            (Some(Span { days, seconds }), _) => {
                let more = TimeDelta::try_seconds(days.saturating_mul(86_400).saturating_add(seconds));
                more.and_then(|more| begin.checked_add_signed(more)).ok_or_else(fault)?
            }
            (None, Some(stamp)) => match Moment::of(stamp, property, self.zones, zone)? {
                Moment::Time { clock, zone } => zone.time(clock),
                Moment::Day(_) => return Err(fault()),
            },
            (None, None) => return Err(fault()),
        };
        if end < begin { Err(fault()) } else { Ok(When::Timed { start: begin, end }) }
    }

    fn leave_out(&self, clocks: &mut Clocks) -> Result<(), String> {
        let floating = self.master.start.zone(&self.zones.floating());
        let mut days = HashSet::new();
        for property in self.master.component.all("EXDATE") {
            for text in property.value.split(',').filter(|text| !text.trim().is_empty()) {
                let stamp = Stamp::parse(text).ok_or("its EXDATE is no time")?;
                match (Moment::of(stamp, property, self.zones, &floating)?, &self.master.start) {
                    // Some leave out a day, whatever takes place then.
                    (moment @ Moment::Day(_), _) | (moment, Moment::Day(_)) => drop(days.insert(moment.day())),
                    (moment, start) => drop(clocks.remove(&clock_in(&moment, start))),
                }
            }
        }
        clocks.retain(|clock, _| !days.contains(&clock.date()));
        Ok(())
    }
}

/// The last clock that a rule may reach. Times in UTC are looked at again, as times; days are whole ones, whatever time is
/// written behind them.
fn last(until: Stamp, start: &Moment, zone: &Zone) -> NaiveDateTime {
    let whole_day = TimeDelta::seconds(86_399);
    match (until, start) {
        (Stamp::Utc(utc), Moment::Time { .. }) => zone.clock(utc.and_utc()) + TimeDelta::days(1),
        (Stamp::Local(clock), Moment::Time { .. }) => clock,
        (Stamp::Day(_), Moment::Time { .. }) => until.naive() + whole_day,
        (Stamp::Day(_) | Stamp::Utc(_) | Stamp::Local(_), Moment::Day(_)) => {
            Stamp::Day(until.naive().date()).naive() + whole_day
        }
    }
}
