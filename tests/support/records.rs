//! What stands in the records of a house, for what no command shows, and to spoil them: on both backends.

use std::process::Command;

use super::House;

/// Carry a case out in a house of each backend.
#[expect(clippy::print_stdout, reason = "captured by the test runner, which shows it with a failure")]
pub(crate) fn on_both(case: impl Fn(House)) {
    for (name, make) in [("SQLite", House::sqlite as fn() -> House), ("PostgreSQL", House::postgres)] {
        println!("on {name}");
        case(make());
    }
}

const SQLITE: &str = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=30)\n\
    if sys.argv[3]: db.executescript(sys.argv[2])\n\
    else: print('\\n'.join(str(row[0]) for row in db.execute(sys.argv[2])))";
/// The clients of `PostgreSQL` are where its server is.
const PSQL: &str = "PATH=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1):$PATH; exec psql \"$@\"";

impl House {
    /// Carry statements out that both backends understand.
    pub(crate) fn sql(&self, statements: &str) {
        self.client(statements, true);
    }

    /// The first column of what is found.
    pub(crate) fn ask_sql(&self, query: &str) -> Vec<String> {
        self.client(query, false).lines().filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
    }

    fn client(&self, sql: &str, is_script: bool) -> String {
        let output = if self.postgres.is_some() {
            let options = ["-c", PSQL, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"];
            Command::new("sh").args(options).args([&self.postgres_url(), "-c", sql]).output()
        } else {
            let (file, script) = (self.path("liaison.db").display().to_string(), if is_script { "yes" } else { "" });
            Command::new("python3").args(["-c", SQLITE, &file, sql, script]).output()
        };
        let output = output.expect("a client of the database");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
