//! Letters that legal holds keep, and which holds these are.

use diesel::result::QueryResult;
use diesel::sql_types::Text;
use diesel::{QueryDsl as _, QueryableByName, RunQueryDsl as _};

use crate::connection::AnyConnection;
use crate::schema::legal_holds;

/// A letter that a legal hold keeps.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct HeldLetter {
    #[diesel(sql_type = Text)]
    pub job_id: String,
    /// Whose rows the hold keeps, as `liaison logs holds` shows it.
    #[diesel(sql_type = Text)]
    pub scope: String,
    #[diesel(sql_type = Text)]
    pub key: String,
}

/// Which of these letters are held, once for each hold.
pub(super) fn held<'a>(
    connection: &mut AnyConnection,
    ids: impl Iterator<Item = &'a str>,
) -> QueryResult<Vec<HeldLetter>> {
    // Mostly there is no hold at all, and nothing else is looked at.
    if legal_holds::table.count().get_result::<i64>(connection)? == 0 {
        return Ok(Vec::new());
    }
    let ids = ids.collect::<serde_json::Value>().to_string();
    let sql = |words: &str| include_str!("held.sql").replace("/*ids*/", words);
    match connection {
        AnyConnection::Sqlite(connection) => {
            diesel::sql_query(sql("SELECT value FROM json_each($1)")).bind::<Text, _>(ids).load(connection)
        }
        AnyConnection::Postgres(connection) => {
            let words = "SELECT json_array_elements_text($1::json)";
            diesel::sql_query(sql(words)).bind::<Text, _>(ids).load(connection)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::recording_tests::{at, exit};
    use crate::test_database::on_both;
    use crate::{Exit, Fact, Hold, HoldScope, LogEntry, RunOutcome};

    fn hold(scope: HoldScope, key: &str) -> Hold {
        let (reason, placed_by) = ("case 7".to_owned(), "ada".to_owned());
        Hold { scope, key: key.to_owned(), reason, placed_by, placed_at: at(0) }
    }

    #[test]
    fn a_held_letter_is_not_discarded_and_its_holds_are_named() {
        on_both(&async |database| {
            let store = database.store().await;
            let touched = LogEntry {
                id: "of-touched".to_owned(),
                organizer_id: Some("a".to_owned()),
                created_at: at(0),
                ..LogEntry::default()
            };
            let mut exits: Vec<Exit> = ["free", "held", "touched"].map(|id| exit(id, 1, RunOutcome::Dead)).into();
            exits[2].facts.push(Fact::Log(touched));
            store.record(exits).await.expect("record");
            for (scope, key) in [(HoldScope::Job, "held"), (HoldScope::Organizer, "a"), (HoldScope::Booking, "other")] {
                store.hold(hold(scope, key), format!("hold-{key}")).await.expect("hold");
            }
            let all = || ["free", "held", "touched", "unknown"].map(|id| (id.to_owned(), 1)).to_vec();
            let discarded = store.discard_dead_letters(all()).await.expect("discard");
            let held: Vec<_> = discarded.held.iter().map(|held| (held.job_id.as_str(), held.scope.as_str())).collect();
            assert_eq!((discarded.letters, held), (1, vec![("held", "job"), ("touched", "organizer")]));
            assert!(store.dead_letter("held").await.expect("read").is_some());
            assert!(store.dead_letter("free").await.expect("read").is_none());
            let by = || ("ada".to_owned(), String::new());
            store.release(HoldScope::Job, "held", by(), at(9), "r".to_owned()).await.expect("release");
            let discarded = store.discard_dead_letters(all()).await.expect("discard");
            assert_eq!((discarded.letters, discarded.held.len()), (1, 1));
        });
    }
}
