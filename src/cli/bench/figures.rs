//! The figures of a benchmark, each beside its floor.

use serde::Serialize;

use crate::cli::{answer, words};

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    JobsPerSecond,
    RowsPerSecond,
    Micros,
    Millis,
    Seconds,
    MiB,
    Percent,
    Count,
}

/// Something measured.
#[derive(Serialize)]
pub(super) struct Figure {
    name: String,
    #[serde(skip)]
    label: String,
    unit: Unit,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_is: Option<&'static str>,
    /// The value over its floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Figure {
    pub(super) fn new(name: &str, label: &str, unit: Unit, value: f64) -> Self {
        let value = rounded(value);
        Self { name: name.into(), label: label.into(), unit, value, floor: None, floor_is: None, ratio: None }
    }

    /// What this machine gives for the same thing, in the same run.
    pub(super) fn over(mut self, floor: f64, what: &'static str) -> Self {
        self.floor = Some(rounded(floor));
        self.floor_is = Some(what);
        self.ratio = (floor > 0.0).then(|| rounded(self.value / floor));
        self
    }

    fn row(&self) -> Vec<String> {
        let floor = self.floor.map_or(String::new(), |floor| self.unit.show(floor));
        let ratio = self.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        vec![self.label.clone(), self.unit.show(self.value), ratio, floor, self.floor_is.unwrap_or_default().into()]
    }
}

impl Unit {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a figure for people")]
    fn show(self, value: f64) -> String {
        match self {
            Self::JobsPerSecond | Self::RowsPerSecond => format!("{}/s", words::count(value as u64)),
            Self::Micros => format!("{value:.2} µs"),
            Self::Millis => format!("{value:.2} ms"),
            Self::Seconds => format!("{value:.1} s"),
            Self::MiB => format!("{value:.1} MiB"),
            Self::Percent => format!("{value:.2} %"),
            Self::Count => words::count(value as u64),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Figures {
    jobs: u64,
    payload_bytes: u64,
    measured: Vec<Figure>,
}

impl Figures {
    pub(super) fn new(jobs: u64, payload_bytes: u64) -> Self {
        Self { jobs, payload_bytes, measured: Vec::new() }
    }

    pub(super) fn add(&mut self, figure: Figure) {
        self.measured.push(figure);
    }

    pub(super) fn show(&self) {
        let rows: Vec<_> = self.measured.iter().map(Figure::row).collect();
        answer::table(&["MEASURED", "FIGURE", "RATIO", "FLOOR", "WHICH IS"], &rows);
        answer::line(&format!(
            "\n{} jobs of {} B arguments each; append-only file synced every second, but none where Redis' own time is \
             measured; one run, one machine.",
            words::count(self.jobs),
            self.payload_bytes
        ));
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
