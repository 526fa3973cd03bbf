//! WHAT we do: one file per job.

mod cleanup_old_integration_logs;
mod create_calendar_event;
mod diagnostics;
pub mod events;
mod generate_meeting_link;
mod kit;
mod notify_integration_disconnected;
mod providers;
mod reconcile_calendar_events;
mod refresh_expired_tokens;
mod refresh_token;
mod remove_calendar_event;
mod remove_left_meeting;
mod send_email;
mod send_webhook;
mod sync_all_calendar_integrations;
mod sync_calendar_events;

use cleanup_old_integration_logs::CleanupOldIntegrationLogs;
pub use cleanup_old_integration_logs::{Halt, Looked, RUNS_KEPT_AT_LEAST, Report, Sweep, Swept};
use create_calendar_event::CreateCalendarEvent;
use diagnostics::{CallProvider, Crash, Echo, Fail, Knock, Noop, Pair, Panic, Sleep};
use generate_meeting_link::GenerateMeetingLink;
pub use kit::{
    Attribute, CalendarSettings, Child, Context, Entry, Hosts, Journal, Kind, Limits, MailFault, MailTransport, Mailer,
    MailerOptions, MeetingRules, Retention, Sample, Secret, Security, Services, Sink, SmtpOptions, Span, Surroundings,
    Templates, Trace, Traceparent, judge_address, nanos, redact,
};
pub use kit::{calendars::first_sync, tokens};
pub use kit::{http, outbound, signature};
use notify_integration_disconnected::NotifyIntegrationDisconnected;
pub use providers::{AccountAt, Registry, account_at, default_api_url};
use reconcile_calendar_events::ReconcileCalendarEvents;
use refresh_expired_tokens::RefreshExpiredTokens;
use refresh_token::RefreshToken;
use remove_calendar_event::RemoveCalendarEvent;
use remove_left_meeting::RemoveLeftMeeting;
use send_email::SendEmail;
use send_webhook::SendWebhook;
use sync_all_calendar_integrations::SyncAllCalendarIntegrations;
use sync_calendar_events::SyncCalendarEvents;

/// What the daemon and its commands need of webhooks.
pub mod webhooks {
    pub use crate::send_webhook::{
        MAX_RETRIES, MAX_TIMEOUT, NOTICE, WebhookSettings, Webhooks, check_header, check_signature_header, lane,
    };
}

/// Every job, in the order in which it is shown.
pub const CATALOG: &[Entry] = &[
    Entry::of::<GenerateMeetingLink>(),
    Entry::of::<CreateCalendarEvent>(),
    Entry::of::<RemoveCalendarEvent>(),
    Entry::of::<RemoveLeftMeeting>(),
    Entry::of::<SyncCalendarEvents>(),
    Entry::of::<ReconcileCalendarEvents>(),
    Entry::of::<SyncAllCalendarIntegrations>(),
    Entry::of::<SendWebhook>(),
    Entry::of::<NotifyIntegrationDisconnected>(),
    Entry::of::<SendEmail>(),
    Entry::of::<RefreshExpiredTokens>(),
    Entry::of::<RefreshToken>(),
    Entry::of::<CleanupOldIntegrationLogs>(),
    Entry::of::<Noop>().diagnostic(),
    Entry::of::<Echo>().diagnostic(),
    Entry::of::<Sleep>().diagnostic(),
    Entry::of::<Fail>().diagnostic(),
    Entry::of::<Panic>().diagnostic(),
    Entry::of::<Crash>().diagnostic(),
    Entry::of::<Knock>().diagnostic(),
    Entry::of::<Pair>().diagnostic(),
    Entry::of::<CallProvider>().diagnostic(),
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
        let known = CATALOG.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
        assert!(find("nop", true).unwrap_err().contains(&format!("no `nop` in this build, which knows {known};")));
        assert!(find("noop", false).unwrap_err().contains("diagnostics = true"));
        assert_eq!(find("noop", true).unwrap().name, "noop");
    }
}
