//! The daemon says how it is: to systemd, to probes, and in metrics.

mod answering;
mod measuring;
mod notifying;

use crate::support::House;

/// Every wait is short, so that what is stuck shows soon: nothing explains a silence of more than eight seconds.
fn impatient(house: House) -> House {
    house
        .set("LIAISON_REDIS__CONNECT_TIMEOUT", "200ms")
        .set("LIAISON_REDIS__RESPONSE_TIMEOUT", "500ms")
        .set("LIAISON_STORE__STATEMENT_TIMEOUT", "2s")
}
