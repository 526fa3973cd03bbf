//! WHAT we do: one file per job.

mod diagnostics;
pub mod events;
mod kit;
mod send_webhook;

use diagnostics::{Crash, Echo, Fail, Knock, Noop, Pair, Panic, Sleep};
pub use kit::{
    Attribute, Child, Context, Entry, Journal, Kind, Limits, Sample, Secret, Services, Sink, Span, Surroundings, Trace,
    Traceparent, nanos, redact,
};
pub use kit::{http, outbound, signature};

use send_webhook::SendWebhook;

/// What the daemon and its commands need of webhooks.
pub mod webhooks {
    pub use crate::send_webhook::{
        MAX_RETRIES, MAX_TIMEOUT, NOTICE, WebhookSettings, Webhooks, check_header, check_signature_header, lane,
    };
}

/// Every job, in the order in which it is shown.
pub const CATALOG: &[Entry] = &[
    Entry::of::<SendWebhook>(),
    Entry::of::<Noop>().diagnostic(),
    Entry::of::<Echo>().diagnostic(),
    Entry::of::<Sleep>().diagnostic(),
    Entry::of::<Fail>().diagnostic(),
    Entry::of::<Panic>().diagnostic(),
    Entry::of::<Crash>().diagnostic(),
    Entry::of::<Knock>().diagnostic(),
    Entry::of::<Pair>().diagnostic(),
];

/// The entry of this name or alias.
///
/// # Errors
/// When there is none, or diagnostics are off and it is one: a sentence with the remedy.
pub fn find(name: &str, diagnostics: bool) -> Result<&'static Entry, String> {
    match CATALOG.iter().find(|entry| entry.name == name || entry.aliases.contains(&name)) {
        Some(entry) if entry.diagnostic && !diagnostics => {
            Err(format!("job: `{name}` is a diagnostic and switched off; set `diagnostics = true` in [worker]"))
        }
        Some(entry) => Ok(entry),
        None => {
            let known: Vec<_> =
                CATALOG.iter().filter(|entry| diagnostics || !entry.diagnostic).map(|entry| entry.name).collect();
            let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
            Err(format!("job: no `{name}` in this build, which knows {known}; check the name, or upgrade the daemon"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_the_wire() {
        let mut names: Vec<_> = CATALOG.iter().flat_map(|entry| entry.aliases.iter().chain([&entry.name])).collect();
        assert!(names.iter().all(|name| liaison_queue::JobName::parse(name).is_ok()));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_sample_fits_its_job() {
        for entry in CATALOG {
            if let Some(sample) = &entry.sample {
                (entry.check)(sample.args).unwrap_or_else(|reason| panic!("{}: {reason}", entry.name));
            }
        }
    }

    #[test]
    fn an_unknown_name_and_a_switched_off_one_say_what_to_do() {
        assert!(find("nop", true).unwrap_err().contains("no `nop` in this build, which knows send_webhook, noop"));
        assert!(find("noop", false).unwrap_err().contains("diagnostics = true"));
        assert_eq!(find("noop", true).unwrap().name, "noop");
    }
}
