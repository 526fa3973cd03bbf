//! Redis as the commands that make it, and the store as SQL: to be read by people, and in a difference.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::House;

/// What of Redis may be gone when the record is played: set to last a while, since how long it had left is chance.
const LASTS_MS: &str = "600000";

/// Each key as one command, and another one for its end, in the order of their names.
pub(super) fn redis(house: &House) -> Vec<Vec<String>> {
    let mut keys: Vec<String> = house.redis.ask(&["KEYS", "liaison:*"]);
    keys.sort();
    let mut commands = Vec::new();
    for key in keys {
        let kind: String = house.redis.ask(&["TYPE", &key]);
        let (command, values): (&str, Vec<String>) = match kind.as_str() {
            "string" => ("SET", vec![house.redis.ask(&["GET", &key])]),
            "list" => ("RPUSH", house.redis.ask(&["LRANGE", &key, "0", "-1"])),
            "set" => ("SADD", house.redis.ask(&["SMEMBERS", &key])),
            "hash" => ("HSET", house.redis.ask(&["HGETALL", &key])),
            "zset" => {
                let pairs: Vec<(String, String)> = house.redis.ask(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]);
                ("ZADD", pairs.into_iter().flat_map(|(member, score)| [score, member]).collect())
            }
            // It has lapsed since.
            "none" => continue,
            other => panic!("{key} is a {other}: teach tests/corpus/dump.rs to record it"),
        };
        commands.push([command.to_owned(), key.clone()].into_iter().chain(values).collect());
        if house.redis.ask::<i64>(&["PTTL", &key]) > 0 {
            commands.push(["PEXPIRE", &key, LASTS_MS].map(ToOwned::to_owned).to_vec());
        }
    }
    commands
}

pub(super) fn lines(commands: &[Vec<String>]) -> String {
    commands.iter().flat_map(|words| [json!(words).to_string(), "\n".to_owned()]).collect()
}

pub(super) fn commands(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"))).collect()
}

pub(super) fn load_redis(house: &House, commands: &[Vec<String>]) {
    for words in commands {
        house.redis.ask::<redis::Value>(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Python's, because the shell of `SQLite` need not be installed. Columns are named, as the daemon's own writes name them.
const DUMP_SQLITE: &str = r#"
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
names = "SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL ORDER BY rowid"
for name, sql in list(store.execute(names, ("table",))):
    print(sql + ";")
    columns = [row[1] for row in store.execute(f'PRAGMA table_info("{name}")')]
    quoted = ", ".join(f'quote("{column}")' for column in columns)
    for row in store.execute(f'SELECT {quoted} FROM "{name}" ORDER BY 1, 2'):
        named = ", ".join(f'"{column}"' for column in columns)
        print(f'INSERT INTO "{name}" ({named}) VALUES ({", ".join(map(str, row))});')
for name, sql in store.execute(names, ("index",)):
    print(sql + ";")
"#;

const RUN_SQLITE: &str = r"
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
store.executescript(sys.stdin.read())
";

fn python(script: &str, house: &House, input: &str) -> String {
    let store = house.path("liaison.db").display().to_string();
    run(Command::new("python3").args(["-c", script, &store]), input)
}

pub(super) fn sqlite(house: &House) -> String {
    python(DUMP_SQLITE, house, "")
}

pub(super) fn run_sqlite(house: &House, sql: &str) {
    python(RUN_SQLITE, house, sql);
}

/// In place of the store that the house has made.
pub(super) fn load_sqlite(house: &House, file: &Path) {
    for name in ["liaison.db", "liaison.db-wal", "liaison.db-shm"] {
        let _ = fs::remove_file(house.path(name));
    }
    run_sqlite(house, &super::read(file));
}

/// The clients of `PostgreSQL` are where its server is.
fn client(program: &str, url: &str) -> Command {
    let mut command = Command::new("sh");
    let path = "PATH=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1):$PATH; exec \"$0\" \"$@\"";
    command.args(["-c", path, program, "-d", url]);
    command
}

pub(super) fn postgres(url: &str) -> String {
    let options = ["--column-inserts", "--no-owner", "--no-privileges"];
    let text = run(client("pg_dump", url).args(options), "");
    // Words for psql itself, new each time, and remarks.
    let is_kept = |line: &&str| !line.starts_with('\\') && !line.starts_with("--") && !line.trim().is_empty();
    // Settings of newer servers are none of older ones.
    let kept = text.lines().filter(is_kept).filter(|line| !line.starts_with("SET "));
    kept.flat_map(|line| [line, "\n"]).collect()
}

pub(super) fn run_postgres(url: &str, sql: &str) {
    run(client("psql", url).args(["--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f", "-"]), sql);
}

pub(super) fn load_postgres(url: &str, file: &Path) {
    run_postgres(url, &super::read(file));
}

/// What was written, without what it was written into and without who the store is.
pub(super) fn rows(sql: &str) -> String {
    let ours = |line: &&str| line.starts_with("INSERT") && (line.contains("job_runs") || line.contains("dead_letters"));
    sql.lines().filter(ours).flat_map(|line| [line, "\n"]).collect()
}

fn run(command: &mut Command, input: &str) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|fault| panic!("{command:?}: {fault}"));
    let mut pipe = child.stdin.take().expect("its input");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut pipe, input.as_bytes()));
    let output = child.wait_with_output().expect("its end");
    let _ = writer.join();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
