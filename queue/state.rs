//! The life of a job as data. `docs/lifecycle.md` is compared with this table by a test.

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$note])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|one| one.as_str()).collect();
                    format!("`{text}` is none of {}", known.join(", "))
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use closed_set;

closed_set! {
    /// Where a job is. The last five have left Redis and stand in the store.
    State {
        Scheduled => "scheduled",
        /// For its turn in a lane.
        Waiting => "waiting",
        Ready => "ready",
        /// Ready to run apart, because it was there when a process died.
        Suspect => "suspect",
        Running => "running",
        Departing => "departing",
        Done => "done",
        Dead => "dead",
        Expired => "expired",
        Cancelled => "cancelled",
        Replaced => "replaced",
    }
}

closed_set! {
    /// What moves a job from one state to the next.
    Event {
        Due => "due",
        Turn => "turn",
        TurnEarly => "turn before its time",
        LaneBusy => "lane busy",
        Hurry => "run now",
        KeepApart => "keep apart",
        Claim => "claim",
        Succeed => "succeed",
        Retry => "retry",
        Snooze => "snooze",
        HandBack => "hand back",
        Reap => "reap",
        Condemn => "condemn",
        Bury => "bury",
        Expire => "expire",
        Cancel => "cancel",
        Replace => "replace",
        Revive => "revive",
    }
}

closed_set! {
    /// The band a job waits in.
    Priority { High => "high", Normal => "normal", Low => "low" }
}

impl Priority {
    /// The digit that stands for the band inside Redis; it is also the index of the band's list.
    #[must_use]
    pub const fn digit(self) -> char {
        match self {
            Self::High => '0',
            Self::Normal => '1',
            Self::Low => '2',
        }
    }

    #[must_use]
    pub fn from_digit(digit: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|band| band.digit() as u8 == digit)
    }
}

impl State {
    /// A job in such a state has left Redis.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Done | Self::Dead | Self::Expired | Self::Cancelled | Self::Replaced => true,
            Self::Scheduled | Self::Waiting | Self::Ready | Self::Suspect | Self::Running | Self::Departing => false,
        }
    }
}

/// Every move there is. What is not here cannot happen.
pub const TRANSITIONS: &[(State, Event, State)] = &[
    (State::Scheduled, Event::Due, State::Ready),
    (State::Scheduled, Event::Hurry, State::Ready),
    (State::Scheduled, Event::LaneBusy, State::Waiting),
    (State::Scheduled, Event::KeepApart, State::Suspect),
    (State::Scheduled, Event::Condemn, State::Departing),
    (State::Waiting, Event::Turn, State::Ready),
    (State::Waiting, Event::TurnEarly, State::Scheduled),
    (State::Waiting, Event::Condemn, State::Departing),
    (State::Ready, Event::Claim, State::Running),
    (State::Ready, Event::Condemn, State::Departing),
    (State::Suspect, Event::Claim, State::Running),
    (State::Suspect, Event::Condemn, State::Departing),
    (State::Departing, Event::Claim, State::Running),
    (State::Running, Event::Succeed, State::Done),
    (State::Running, Event::Retry, State::Scheduled),
    (State::Running, Event::Snooze, State::Scheduled),
    (State::Running, Event::HandBack, State::Ready),
    (State::Running, Event::KeepApart, State::Suspect),
    (State::Running, Event::Reap, State::Suspect),
    (State::Running, Event::Condemn, State::Departing),
    (State::Running, Event::Bury, State::Dead),
    (State::Running, Event::Expire, State::Expired),
    (State::Running, Event::Cancel, State::Cancelled),
    (State::Running, Event::Replace, State::Replaced),
    (State::Dead, Event::Revive, State::Ready),
];

impl State {
    /// The state after `event`, or nothing where that event cannot happen.
    #[must_use]
    pub fn after(self, event: Event) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, by, _)| *from == self && *by == event).map(|(_, _, to)| *to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_words_are_fixed() {
        let words: Vec<_> = State::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(
            words,
            [
                "scheduled",
                "waiting",
                "ready",
                "suspect",
                "running",
                "departing",
                "done",
                "dead",
                "expired",
                "cancelled",
                "replaced"
            ]
        );
        let bands: Vec<_> = Priority::ALL.iter().map(|p| (p.as_str(), p.digit())).collect();
        assert_eq!(bands, [("high", '0'), ("normal", '1'), ("low", '2')]);
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
    }

    #[test]
    fn every_state_can_be_reached_and_every_waiting_state_can_be_left() {
        for state in State::ALL {
            let starts = matches!(state, State::Scheduled | State::Waiting | State::Ready | State::Departing);
            assert!(starts || TRANSITIONS.iter().any(|(_, _, to)| to == state), "{state} cannot be reached");
            assert!(
                (state.is_final() && *state != State::Dead) || TRANSITIONS.iter().any(|(from, _, _)| from == state),
                "{state} cannot be left"
            );
        }
    }

    proptest! {
        /// Whatever happens in whatever order: a job leaves only through a claim, and what is final stays final
        /// but for a revival.
        #[test]
        fn no_walk_leaves_redis_without_a_claim(events in prop::collection::vec(0..Event::ALL.len(), 0..60)) {
            let mut state = State::Ready;
            let mut claimed = false;
            for index in events {
                let event = Event::ALL[index];
                let Some(next) = state.after(event) else { continue };
                if state.is_final() {
                    prop_assert_eq!(event, Event::Revive);
                }
                if next.is_final() {
                    prop_assert!(claimed, "{} by {} without a claim", next, event);
                }
                claimed = next == State::Running || (claimed && next.is_final());
                state = next;
            }
        }

        /// One event never leads to two places.
        #[test]
        fn the_table_is_a_function(a in 0..TRANSITIONS.len(), b in 0..TRANSITIONS.len()) {
            let (x, y) = (TRANSITIONS[a], TRANSITIONS[b]);
            prop_assert!(a == b || (x.0, x.1) != (y.0, y.1));
        }
    }
}
