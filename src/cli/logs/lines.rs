//! A line of the integration log, for people and for programs.

use liaison_store::LogLine;

use crate::cli::words;

pub(super) const HEADINGS: &[&str] = &["AT", "TYPE", "OK", "INTEGRATION", "ORGANIZER", "BOOKING", "MESSAGE"];

const COLUMNS: [&str; 11] = [
    "id",
    "created_at",
    "log_type",
    "success",
    "integration_type",
    "integration_id",
    "organizer_id",
    "booking_id",
    "job_id",
    "message",
    "details",
];

/// The cells of a table.
pub(super) fn row(line: &LogLine) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let id = line.integration_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    vec![
        words::date(line.created_at),
        line.log_type.clone(),
        if line.success { "yes" } else { "NO" }.to_owned(),
        format!("{}{id}", line.integration_type),
        or_dash(&line.organizer_id),
        or_dash(&line.booking_id),
        line.message.clone(),
    ]
}

/// One that is told by itself, where there is no table yet.
pub(super) fn sentence(line: &LogLine) -> String {
    words::plain(&row(line).join("  "))
}

/// How a line is written for another program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Csv,
    Json,
}

impl Form {
    pub(super) fn heading(self) -> Option<String> {
        (self == Self::Csv).then(|| COLUMNS.join(","))
    }

    pub(super) fn write(self, line: &LogLine) -> String {
        match self {
            Self::Json => serde_json::to_string(line).unwrap_or_default(),
            Self::Csv => {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let fields = [
                    line.id.clone(),
                    words::date(line.created_at),
                    line.log_type.clone(),
                    line.success.to_string(),
                    line.integration_type.clone(),
                    text(&line.integration_id),
                    text(&line.organizer_id),
                    text(&line.booking_id),
                    text(&line.job_id),
                    line.message.clone(),
                    text(&line.details),
                ];
                fields.map(|field| quoted(&field)).join(",")
            }
        }
    }
}

/// A field as RFC 4180 wants it: in quotes where it holds what would end it, its own quotes doubled.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_is_quoted() {
        for (field, written) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("said \"no\"", "\"said \"\"no\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" edge", "\" edge\""),
        ] {
            assert_eq!(quoted(field), written);
        }
    }
}
