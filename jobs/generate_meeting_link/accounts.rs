//! Whose accounts are asked, and in which order.

use liaison_queue::outcome::Failure;
use liaison_store::{Integration, IntegrationFilter, IntegrationKind};

use crate::{
    kit::{Context, store_failure},
    providers::entry,
};

/// Who has more is a mistake of its host.
const MAX_ACCOUNTS: u32 = 100;

/// What an organizer has to make meetings with.
pub(super) struct Accounts {
    /// In the order in which they are asked.
    pub(super) wanted: Vec<Integration>,
    /// Why there are no others, for people.
    pub(super) others: Vec<String>,
    /// There are some, but none that makes meetings by itself.
    pub(super) is_switched_off: bool,
}

/// The accounts of an organizer, by preference; whoever has the meeting already comes first. Whoever did not name a
/// provider gets those that make links by themselves.
pub(super) async fn of(
    ctx: &Context,
    organizer: &str,
    providers: &[String],
    current: Option<&str>,
) -> Result<Accounts, Failure> {
    let filter = IntegrationFilter {
        kind: Some(IntegrationKind::Video),
        organizer: Some(organizer.to_owned()),
        limit: MAX_ACCOUNTS,
        ..IntegrationFilter::default()
    };
    let store = ctx.store()?;
    let mut all = store.integrations(filter).await.map_err(|fault| store_failure(&fault))?;
    // The oldest first: they come newest first.
    all.reverse();
    let (mut wanted, mut others, mut off) = (Vec::new(), Vec::new(), 0);
    for account in all {
        let id = account.account();
        if account.disconnected_at.is_some() {
            ctx.tell_again(&account).await?;
            others.push(format!("{} ({id}) is disconnected", account.provider));
        } else if !account.is_active {
            others.push(format!("{} ({id}) is switched off", account.provider));
        } else if providers.is_empty() {
            let video = store.video_account(&account.id).await.map_err(|fault| store_failure(&fault))?;
            // What was made is changed all the same.
            let is_current = current == Some(account.id.as_str());
            if is_current || video.is_some_and(|video| video.auto_generate_links) {
                wanted.push(account);
            } else {
                off += 1;
                others.push(format!("{} ({id}) makes no links by itself", account.provider));
            }
        } else {
            wanted.push(account);
        }
    }
    if !providers.is_empty() {
        let rank = |account: &Integration| providers.iter().position(|name| is_meant(name, &account.provider));
        for name in providers.iter().filter(|name| !wanted.iter().any(|account| is_meant(name, &account.provider))) {
            others.push(format!("no account at {name}"));
        }
        wanted.retain(|account| rank(account).is_some());
        wanted.sort_by_key(rank);
    }
    // Stable: all others keep their order.
    wanted.sort_by_key(|account| current != Some(account.id.as_str()));
    Ok(Accounts { is_switched_off: wanted.is_empty() && off > 0, wanted, others })
}

/// Accounts may call their provider by any of its names.
fn is_meant(name: &str, provider: &str) -> bool {
    let of = |name: &str| entry(name).map(|entry| entry.name);
    name == provider || of(name).is_some_and(|known| of(provider) == Some(known))
}

#[cfg(test)]
mod tests {
    use super::is_meant;

    #[test]
    fn an_account_is_meant_by_every_name_of_its_provider() {
        assert!(is_meant("google", "google_meet") && is_meant("microsoft_teams", "microsoft"));
        assert!(is_meant("zoom", "zoom") && !is_meant("zoom", "webex") && !is_meant("acme", "zoom"));
    }
}
