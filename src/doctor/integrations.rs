//! Accounts at providers: whose tokens are refused, whose refresh fails, and whose calendar nobody reads any more.

use liaison_store::{IntegrationFilter, Store, StoreError};

use super::{Check, Finding, Severity, unanswered, within};

/// More are as bad.
const MOST: u32 = 1_000;

pub(super) async fn look(store: &Store, place: &str) -> Finding {
    let count = async |filter: IntegrationFilter| {
        let filter = IntegrationFilter { limit: MOST, active: Some(true), ..filter };
        Ok::<_, StoreError>(store.integrations(filter).await?.len() as u64)
    };
    let counts = async {
        let failing = IntegrationFilter { failing: true, disconnected: Some(false), ..IntegrationFilter::default() };
        let failing = count(failing).await?;
        let gone = count(IntegrationFilter { disconnected: Some(true), ..IntegrationFilter::default() }).await?;
        Ok::<_, StoreError>((failing, store.count_disabled_calendars().await?, gone))
    };
    match within(counts).await {
        Ok((failing, disabled, gone)) => judge(place, failing, disabled, gone),
        Err(problem) => unanswered(Check::Integrations, place, &problem),
    }
}

fn judge(place: &str, failing: u64, disabled: u64, gone: u64) -> Finding {
    let accounts = |number: u64| format!("{number} account{}", if number == 1 { "" } else { "s" });
    let (severity, what, remedy) = match (failing, disabled, gone) {
        (1.., _, _) => (
            Severity::Warning,
            format!("{} whose last refresh of tokens failed", accounts(failing)),
            "`liaison integrations list --failing` says which, `liaison integrations show ID` why",
        ),
        (0, 1.., _) => (
            Severity::Warning,
            format!("{} whose calendar is not synchronised any more, after failures in a row", accounts(disabled)),
            "`liaison logs --type calendar_sync --failed` says why; then `liaison integrations enable ID`",
        ),
        (0, 0, 1..) => (
            Severity::Advice,
            format!("{} that only their owners can connect again, who were told", accounts(gone)),
            "`liaison integrations list --disconnected` says which",
        ),
        (0, 0, 0) => return Finding::ok(Check::Integrations, place, "no account is in trouble"),
    };
    Finding::new(Check::Integrations, severity, place, what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_can_mend_comes_before_what_only_owners_can() {
        for (counts, severity, word) in [
            ((0, 0, 0), Severity::Ok, "no account"),
            ((0, 0, 2), Severity::Advice, "2 accounts that only their owners"),
            ((0, 1, 2), Severity::Warning, "1 account whose calendar"),
            ((3, 1, 2), Severity::Warning, "3 accounts whose last refresh"),
        ] {
            let finding = judge("store", counts.0, counts.1, counts.2);
            assert!(finding.severity == severity && finding.what.contains(word), "{finding:?}");
        }
    }
}
