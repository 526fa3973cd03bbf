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
    let ids = serde_json::Value::from_iter(ids).to_string();
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
