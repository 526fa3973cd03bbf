//! How a job obeys limits: it asks right before the call, and tells what the other side answered.
//!
//! What a provider allows stands in its entry of the registry. It is counted for an account by whose account it is there,
//! so that two integrations of one user share what the user has, and no account stands in the way of another.

use std::time::Duration;

use liaison_queue::{JobId, Limit, LimitKey, Limiter, Permit, Said, outcome::Failure};
use liaison_store::{CalendarSync, Integration};

use super::{Context, MeetingRules, digest};
use crate::providers::{Per, What, entry};

/// The limiter, for one run of one job.
#[derive(Debug, Clone)]
pub struct Limits {
    limiter: Limiter,
    id: JobId,
    token: String,
}

impl Limits {
    #[must_use]
    pub fn new(limiter: Limiter, id: JobId, token: String) -> Self {
        Self { limiter, id, token }
    }

    /// Pass under all of these rules, or come back later at no cost of an attempt. A place at once is held until the
    /// permit is dropped: `let _permit = ctx.limits.pass("google:user:42", &RULES).await?;`
    ///
    /// # Errors
    /// A snooze until the job's slot; fatal when the key or a rule can never be right.
    pub async fn pass(&self, key: &str, rules: &[Limit]) -> Result<Permit, Failure> {
        let key = LimitKey::parse(key).map_err(Failure::fatal)?;
        self.limiter.pass(&key, rules, &self.id, &self.token).await
    }

    /// Obey what the other side said of its limit, on every daemon.
    ///
    /// # Errors
    /// When the key can never be right.
    pub async fn told(&self, key: &str, said: Said) -> Result<(), Failure> {
        let key = LimitKey::parse(key).map_err(Failure::fatal)?;
        self.limiter.told(&key, said).await;
        Ok(())
    }
}

/// For whom calls are counted: whatever the account is to us, its provider counts by its user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    provider: &'a str,
    user: Option<&'a str>,
    id: &'a str,
}

impl<'a> From<&'a Integration> for Who<'a> {
    fn from(account: &'a Integration) -> Self {
        Self { provider: &account.provider, user: account.provider_user_id.as_deref(), id: &account.id }
    }
}

impl<'a> From<&'a CalendarSync> for Who<'a> {
    fn from(account: &'a CalendarSync) -> Self {
        Self { provider: &account.provider, user: account.provider_user_id.as_deref(), id: &account.integration_id }
    }
}

/// What holds a call's places until it has ended.
#[must_use]
pub(crate) struct Permits(#[expect(dead_code, reason = "they are given back when this is dropped")] Vec<Permit>);

impl Context {
    /// Pass under all that this account's provider allows, right before a call; or come back later, at no cost of an
    /// attempt. Creations and changes of meetings are counted among the calls, and for themselves.
    ///
    /// # Errors
    /// A snooze until the job's slot.
    pub(crate) async fn pass_provider<'a>(&self, account: impl Into<Who<'a>>, what: What) -> Result<Permits, Failure> {
        let mut permits = Vec::new();
        for (key, rules) in rules(account.into(), what, &self.services.meetings) {
            permits.push(self.limits.pass(&key, &rules).await?);
        }
        Ok(Permits(permits))
    }

    /// Obey what this account's provider said of its limit.
    ///
    /// # Errors
    /// When the account can be no key.
    pub(crate) async fn told_by_provider<'a>(
        &self,
        account: impl Into<Who<'a>>,
        what: What,
        wait: Duration,
    ) -> Result<(), Failure> {
        let said = Said { retry_after: Some(wait), ..Said::default() };
        self.limits.told(&key(account.into(), Per::Account, what), said).await
    }
}

/// The rules for a call, each under its key. Those of meetings come last: a pass of the scarcest is not spent on a job that
/// another limit then sends away.
pub(super) fn rules<'a>(account: impl Into<Who<'a>>, what: What, per_day: &MeetingRules) -> Vec<(String, Vec<Limit>)> {
    let account = account.into();
    let Some(entry) = entry(account.provider) else { return Vec::new() };
    let per_day = per_day.per_day(entry.name);
    let mut all: Vec<(String, Vec<Limit>)> = Vec::new();
    let of = |wanted: What| entry.limits.iter().filter(move |bound| bound.what == wanted);
    let calls = of(What::Calls);
    for bound in calls.chain(of(What::Meetings).filter(|_| what == What::Meetings)) {
        let limit = match (bound.limit, per_day.filter(|_| bound.what == What::Meetings)) {
            (Limit::Daily { zone, .. }, Some(passes)) => Limit::daily(passes, zone),
            (Limit::Window { span, .. }, Some(passes)) => Limit::window(passes, span),
            (limit, _) => limit,
        };
        let key = key(account, bound.per, bound.what);
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, limits)) => limits.push(limit),
            None => all.push((key, vec![limit])),
        }
    }
    all
}

/// As in `zoom:u-42:meetings`.
fn key<'a>(account: impl Into<Who<'a>>, per: Per, what: What) -> String {
    let account = account.into();
    let provider = entry(account.provider).map_or(account.provider, |entry| entry.name);
    let what = match what {
        What::Calls => "",
        What::Meetings => ":meetings",
    };
    match per {
        Per::Client => format!("{provider}{what}"),
        Per::Account => {
            let who = account.user.unwrap_or(account.id);
            let key = format!("{provider}:{who}{what}");
            // A user may be called by anything.
            if LimitKey::parse(&key).is_ok() { key } else { format!("{provider}:{}{what}", digest(&[who])) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(provider: &str, user: Option<&str>) -> Integration {
        let at = chrono::DateTime::UNIX_EPOCH;
        Integration {
            kind: liaison_store::IntegrationKind::Video,
            id: "i-1".to_owned(),
            organizer_id: "org".to_owned(),
            provider: provider.to_owned(),
            provider_user_id: user.map(str::to_owned),
            provider_email: None,
            is_active: true,
            token_expires_at: None,
            scope: None,
            version: 1,
            refreshed_at: None,
            refresh_errors: 0,
            refresh_error: None,
            disconnected_at: None,
            disconnected_reason: None,
            disconnects: 0,
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn a_user_has_one_limit_whichever_integration_calls() {
        let key = |user| key(&account("google_meet", user), Per::Account, What::Meetings);
        assert_eq!(key(Some("u@a.example")), "google:u@a.example:meetings");
        assert_eq!(key(None), "google:i-1:meetings");
        let odd = key(Some("Ünï cöde {}"));
        assert!(odd.starts_with("google:") && LimitKey::parse(&odd).is_ok(), "{odd}");
    }

    #[test]
    fn a_meeting_counts_among_the_calls_and_for_itself() {
        let account = account("zoom", Some("u"));
        let calls = rules(&account, What::Calls, &MeetingRules::default());
        assert_eq!(calls.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["zoom:u"]);
        let seven = MeetingRules { per_day: [("zoom".to_owned(), 7)].into(), ..MeetingRules::default() };
        let meetings = rules(&account, What::Meetings, &seven);
        let keys: Vec<_> = meetings.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["zoom:u", "zoom:u:meetings"], "the scarcest comes last");
        let of_meetings = meetings.iter().find(|(key, _)| key == "zoom:u:meetings").map(|(_, rules)| rules.clone());
        assert_eq!(of_meetings, Some(vec![Limit::daily(7, chrono_tz::Tz::UTC)]));
        assert!(rules(&self::account("acme", None), What::Meetings, &seven).is_empty());
    }
}
