//! What jobs that write into calendars share: the account and its calendar, the row of an event, and its lane.

use liaison_queue::{LaneName, outcome::Failure};
use liaison_store::{CalendarSync, ExternalEvent, Integration, IntegrationKind};

use super::{Context, digest, store_failure};

/// What concerns one booking in one calendar goes in order.
pub(crate) fn event_lane(booking_id: &str, integration_id: &str) -> String {
    let name = format!("booking:{booking_id}:{integration_id}");
    if LaneName::parse(&name).is_ok() { name } else { format!("booking:{}", digest(&[booking_id, integration_id])) }
}

/// The account, with where its calendar is.
pub(crate) async fn written_calendar(
    ctx: &Context,
    integration_id: &str,
) -> Result<Option<(Integration, CalendarSync)>, Failure> {
    let store = ctx.store()?;
    let account = store.integration(IntegrationKind::Calendar, integration_id).await;
    let calendar = store.calendar_sync(integration_id).await;
    Ok(account.map_err(|fault| store_failure(&fault))?.zip(calendar.map_err(|fault| store_failure(&fault))?))
}

/// Write the row of an event as it is now.
pub(crate) async fn put_event(ctx: &Context, row: &mut ExternalEvent) -> Result<(), Failure> {
    ctx.id.as_str().clone_into(&mut row.job_id);
    let put = ctx.store()?.put_external_event(row.clone(), ctx.now()).await;
    let Some(turn) = put.map_err(|fault| store_failure(&fault))? else {
        return Err(Failure::retry(format!("another job has changed the event of booking {}", row.booking_id)));
    };
    row.turn = turn;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_booking_is_called_it_has_a_lane() {
        assert_eq!(event_lane("b-1", "cal"), "booking:b-1:cal");
        assert!(LaneName::parse(&event_lane("two words", &"x".repeat(300))).is_ok());
    }
}
