//! What a provider refuses: whose fault it is, and who is told.

use liaison_sandbox::{Mishap, Style};
use serde_json::json;

use super::town::Town;
use crate::support::{House, http::Front, until};

#[test]
fn a_grant_that_somebody_else_rotated_meanwhile_is_not_disconnected() {
    let town = Town::new(House::sqlite(), Style::SingleUse);
    town.add("a", &town.server.issue(), -5);
    town.server.script([Mishap::Slow(std::time::Duration::from_secs(3))]);
    let worker = town.house.worker();
    town.house.redis.push("default", &[town.call("call", "a")]);
    town.runtime.block_on(town.server.asked(1));
    // Its owner connects it again right now, and the old token dies with that.
    town.server.withdraw();
    town.add("a", &town.server.issue(), 3600);
    until("it has called", || town.outcomes("call") == ["done"]);
    assert_eq!(town.server.invalid_grants(), 1, "the old one was used");
    let row = town.show("a");
    assert_eq!((row["state"].clone(), row["disconnects"].clone()), (json!("connected"), json!(0)), "{row}");
    assert_eq!(town.notices("a", 1, "disconnected"), 0);
    worker.stop();
}

#[test]
fn a_dead_grant_is_told_once_and_so_is_its_recovery() {
    let town = Town::new(House::sqlite(), Style::SingleUse);
    town.add("a", &town.server.issue(), -5);
    town.server.withdraw();
    let worker = town.house.worker();
    let calls: Vec<_> = (0..5).map(|n| town.call(&format!("call-{n}"), "a")).collect();
    town.house.redis.push("default", &calls);
    town.refresh("r", "a");
    until("all have ended", || {
        (0..5).all(|n| town.outcomes(&format!("call-{n}")) == ["dead"]) && town.outcomes("r") == ["done"]
    });
    until("its owner is told", || town.notices("a", 1, "disconnected") == 1);
    let row = town.show("a");
    assert_eq!((row["state"].clone(), row["disconnects"].clone()), (json!("disconnected"), json!(1)), "{row}");
    assert_eq!((town.server.count(), town.logged("a", "disconnected")), (1, 1), "nobody asks again");
    let reason = town.house.runs("call-0")[0]["reason"].as_str().expect("why").to_owned();
    assert!(reason.contains("calendar:a is disconnected") && reason.contains("connect it again"), "{reason}");
    // The scan leaves it alone.
    let told = town.house.json(&["enqueue", "refresh_expired_tokens", "--wait", "60s"]);
    assert_eq!(told["result"]["expiring"], 0, "{told}");

    town.add("a", &town.server.issue(), 3600);
    until("its owner hears that it is well", || town.notices("a", 1, "recovered") == 1);
    assert_eq!(town.show("a")["state"], "connected");
    town.house.redis.push("default", &[town.call("again", "a")]);
    until("it is used again", || town.outcomes("again") == ["done"]);

    // Another episode is another occasion.
    town.server.withdraw();
    town.server.expire();
    town.house.redis.push("default", &[town.call("last", "a")]);
    until("its owner is told again", || town.notices("a", 2, "disconnected") == 1);
    assert_eq!(town.notices("a", 1, "disconnected"), 1);
    town.tells_no_secret(&worker.stop());
}

#[test]
fn a_client_that_is_not_taken_disconnects_nobody() {
    let (house, front) = Front::of(House::sqlite());
    let town = Town::new(house, Style::SingleUse);
    for id in ["a", "b"] {
        town.add(id, &town.server.issue(), 30);
    }
    town.server.script([Mishap::InvalidClient, Mishap::InvalidClient]);
    let worker = town.house.worker();
    town.refresh("r-a", "a");
    worker.says("does not take us for its client");
    until("it waits for another try", || town.outcomes("r-a") == ["retry"]);
    town.refresh("r-b", "b");
    until("the other one waits for the provider", || town.house.place("r-b")["state"] == "scheduled");
    assert_eq!(town.server.count(), 1, "whom it does not take, it is not asked for again at once");
    let row = town.show("a");
    assert_eq!((row["state"].clone(), row["disconnects"].clone()), (json!("failing"), json!(0)));
    assert_eq!(town.notices("a", 1, "disconnected"), 0);
    let metrics = front.get("/metrics").body;
    assert!(
        metrics.contains(r#"liaison_token_refreshes_total{outcome="invalid_client",provider="acme"} 1"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"liaison_grants_disconnected_total{provider="acme"} 0"#), "{metrics}");
    town.tells_no_secret(&worker.stop());
}

#[test]
fn a_lost_key_is_one_clear_error_of_its_row() {
    let town = Town::new(House::sqlite(), Style::SingleUse);
    town.add("a", &town.server.issue(), 30);
    town.house.write("key", "other:Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=\n");
    town.add("b", &town.server.issue(), 30);
    let worker = town.house.worker();
    town.refresh("r-a", "a");
    town.refresh("r-b", "b");
    until("the other one is refreshed", || town.outcomes("r-b") == ["done"]);
    until("it is tried again later", || town.outcomes("r-a") == ["retry"]);
    let row = town.show("a");
    let error = row["refresh_error"].as_str().expect("why");
    assert!(error.contains("cannot open what is sealed in calendar_integrations:a:access_token"), "{error}");
    assert!(error.contains("sealed with key `test`") && error.contains("put its line back"), "{error}");
    assert_eq!((row["disconnects"].clone(), town.logged("a", "error")), (json!(0), 1));
    assert_eq!(town.server.refreshes(), [0, 1]);
    worker.stop();
}

#[test]
fn an_account_at_an_unknown_provider_says_what_is_missing() {
    let town = Town::new(House::sqlite(), Style::Kept);
    let tokens = json!({"access_token": "sandbox-access-token", "refresh_token": "r", "expires_in": 1});
    let arguments = ["calendar", "--organizer", "o", "--provider", "outlook", "--id", "a"];
    let output = town.add_with(&arguments, &tokens);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("no [[provider]]"), "{said}");
    let worker = town.house.worker();
    town.refresh("r", "a");
    until("it is tried", || town.outcomes("r") == ["retry"]);
    let reason = town.house.runs("r")[0]["reason"].as_str().expect("why").to_owned();
    assert!(reason.contains("no [[provider]] refreshes tokens of `outlook`"), "{reason}");
    worker.stop();
}
