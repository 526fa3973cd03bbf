//! What is known of each class, and the SQL that follows from it. The row is `t` everywhere, and `$1` is the time before
//! which a row is old.

mod bookings;

use super::Class;

/// What a column holds, as far as it matters for exporting it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    Time,
    Sealed,
}
use Kind::{Flag, Number, Sealed, Text, Time};

struct Shape {
    /// The primary key.
    key: &'static [(&'static str, Kind)],
    /// The column that says how old a row is.
    time: &'static str,
    /// The columns by which a hold covers a row.
    held_by: &'static [(&'static str, &'static str)],
    /// Which old rows the daemon relies on all the same.
    needed: &'static str,
    columns: &'static [(&'static str, Kind)],
}

impl Class {
    const fn shape(self) -> &'static Shape {
        match self {
            Self::WebhookDeliveries => &DELIVERIES,
            Self::Notifications => &NOTIFICATIONS,
            Self::ExternalEvents => &bookings::EVENTS,
            Self::RemovedBookings => &bookings::REMOVED,
            Self::Meetings => &bookings::MEETINGS,
            Self::DeadLetters => &LETTERS,
            Self::JobRuns => &RUNS,
            Self::ScheduleTicks => &TICKS,
            Self::IntegrationLogs => &LOGS,
        }
    }
}

const NOTHING: &str = "1 = 0";

const LOGS: Shape = Shape {
    key: &[("id", Text)],
    time: "created_at",
    held_by: &[("organizer", "organizer_id"), ("booking", "booking_id"), ("integration", "integration_id")],
    needed: NOTHING,
    columns: &[
        ("id", Text),
        ("log_type", Text),
        ("integration_type", Text),
        ("integration_id", Text),
        ("organizer_id", Text),
        ("booking_id", Text),
        ("message", Text),
        ("details", Text),
        ("success", Flag),
        ("job_id", Text),
        ("created_at", Time),
    ],
};

// The runs of a job go when all of them are old and its last one was an end: a job that waits for another attempt is
// counted and screened by them (`src/historian.rs`). While its dead letter is there, they are the history of a job that
// may be revived, and a revival goes on counting from them.
const RUNS: Shape = Shape {
    key: &[("job_id", Text), ("run", Number)],
    time: "finished_at",
    held_by: &[],
    needed: "EXISTS (SELECT 1 FROM dead_letters d WHERE d.job_id = t.job_id)
        OR EXISTS (SELECT 1 FROM job_runs n WHERE n.job_id = t.job_id AND n.finished_at >= $1)
        OR 'retry' = (SELECT n.outcome FROM job_runs n WHERE n.job_id = t.job_id ORDER BY n.run DESC LIMIT 1)",
    columns: &[
        ("job_id", Text),
        ("run", Number),
        ("attempt", Number),
        ("name", Text),
        ("queue", Text),
        ("worker", Text),
        ("outcome", Text),
        ("reason", Text),
        ("result", Text),
        ("enqueued_at", Time),
        ("started_at", Time),
        ("finished_at", Time),
        ("duration_ms", Number),
        ("retry_at", Time),
        ("trace", Text),
    ],
};

// One that is still tried has a job that relies on it.
const DELIVERIES: Shape = Shape {
    key: &[("id", Text)],
    time: "created_at",
    held_by: &[("organizer", "organizer_id"), ("booking", "booking_id"), ("integration", "endpoint_id")],
    needed: "t.status NOT IN ('delivered', 'failed')",
    columns: &[
        ("id", Text),
        ("endpoint_id", Text),
        ("organizer_id", Text),
        ("event_type", Text),
        ("subject", Text),
        ("booking_id", Text),
        ("payload", Sealed),
        ("payload_bytes", Number),
        ("status", Text),
        ("attempt_number", Number),
        ("response_status", Number),
        ("response_body", Text),
        ("error_message", Text),
        ("job_id", Text),
        ("created_at", Time),
        ("last_attempt_at", Time),
        ("next_attempt_at", Time),
    ],
};

const ATTEMPTS: &[(&str, Kind)] = &[
    ("job_id", Text),
    ("run", Number),
    ("attempt", Number),
    ("attempted_at", Time),
    ("duration_ms", Number),
    ("response_status", Number),
    ("response_headers", Text),
    ("response_body", Text),
    ("error_message", Text),
    ("next_attempt_at", Time),
];

const LETTERS: Shape = Shape {
    key: &[("job_id", Text)],
    time: "buried_at",
    held_by: &[],
    needed: NOTHING,
    columns: &[
        ("job_id", Text),
        ("name", Text),
        ("queue", Text),
        ("envelope", Sealed),
        ("reason", Text),
        ("attempts", Number),
        ("crashes", Number),
        ("runs", Number),
        ("enqueued_at", Time),
        ("buried_at", Time),
    ],
};

// The last tick of an entry says when it ran last, however rarely it does.
const TICKS: Shape = Shape {
    key: &[("entry", Text), ("tick_at", Time)],
    time: "tick_at",
    held_by: &[],
    needed: "NOT EXISTS (SELECT 1 FROM schedule_ticks n WHERE n.entry = t.entry AND n.tick_at > t.tick_at)",
    columns: &[
        ("entry", Text),
        ("tick_at", Time),
        ("until_at", Time),
        ("ticks", Number),
        ("status", Text),
        ("reason", Text),
        ("job_id", Text),
        ("queue", Text),
        ("decided_at", Time),
    ],
};

// While an integration is disconnected, or an endpoint fails or is disabled, what its organizer was told about it is
// what keeps it from being told again.
const NOTIFICATIONS: Shape = Shape {
    key: &[("id", Text)],
    time: "created_at",
    held_by: &[("organizer", "organizer_id"), ("integration", "integration_id")],
    needed: "EXISTS (SELECT 1 FROM calendar_integrations i WHERE i.id = t.integration_id
            AND i.disconnected_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM video_integrations i WHERE i.id = t.integration_id
            AND i.disconnected_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM webhook_integrations i WHERE i.id = t.integration_id
            AND (i.disabled_at IS NOT NULL OR i.failing_since IS NOT NULL))",
    columns: &[
        ("id", Text),
        ("kind", Text),
        ("recipient", Text),
        ("organizer_id", Text),
        ("integration_id", Text),
        ("message_id", Text),
        ("status", Text),
        ("error", Text),
        ("job_id", Text),
        ("created_at", Time),
    ],
};

/// The statements about one class, as one backend understands them.
pub(super) struct Sql {
    class: Class,
    shape: &'static Shape,
    sqlite: bool,
}

impl Sql {
    pub(super) fn of(class: Class, sqlite: bool) -> Self {
        Self { class, shape: class.shape(), sqlite }
    }

    /// A page of what may go, after `$2` time, `$3` first column of the key, `$4` run.
    pub(super) fn page(&self, whole: bool, limit: u32) -> String {
        let Shape { key, time, needed, .. } = self.shape;
        let (table, held) = (self.class.as_str(), self.held());
        // What tells rows of one time apart: one text, and of runs their number.
        let first = if self.class == Class::ExternalEvents {
            "t.booking_id || '/' || t.integration_id".to_owned()
        } else {
            format!("t.{}", key[0].0)
        };
        let run = if self.class == Class::JobRuns { "t.run" } else { "0" };
        let keys: Vec<String> = key.iter().map(|(name, _)| format!("t.{name}")).collect();
        let keys = if self.sqlite {
            format!("json_array({})", keys.join(", "))
        } else {
            format!("json_build_array({})::text", keys.join(", "))
        };
        let row = if whole { self.row() } else { "NULL".to_owned() };
        // Ticks have no index by time: they are walked through by their key, past those that are young.
        let (after, order) = if self.class == Class::ScheduleTicks {
            (format!("$2 IS NOT NULL AND ({first}, t.{time}, {run}) > ($3, $2, $4)"), format!("{first}, t.{time}"))
        } else {
            (format!("(t.{time}, {first}, {run}) > ($2, $3, $4)"), format!("t.{time}, {first}, {run}"))
        };
        let order = order.trim_end_matches(", 0");
        format!(
            "SELECT {keys} AS key, t.{time} AS at, {first} AS first, {run} AS run, {row} AS whole
             FROM {table} t
             WHERE t.{time} < $1 AND {after} AND NOT ({needed}) AND NOT ({held})
             ORDER BY {order} LIMIT {limit}"
        )
    }

    /// Delete those of the keys in `$2`, a JSON array of arrays, that still may go.
    pub(super) fn delete(&self) -> String {
        let Shape { key, time, needed, .. } = self.shape;
        let (table, held) = (self.class.as_str(), self.held());
        let names: Vec<String> = key.iter().map(|(name, _)| format!("t.{name}")).collect();
        if self.sqlite {
            let parts: Vec<String> = (0..key.len()).map(|at| format!("value ->> {at}")).collect();
            let (names, parts) = (names.join(", "), parts.join(", "));
            let names = if key.len() > 1 { format!("({names})") } else { names };
            // In these words the planner takes the keys, and not all that is old.
            return format!(
                "DELETE FROM {table} AS t WHERE +t.{time} < $1
                 AND {names} IN (SELECT {parts} FROM json_each($2)) AND NOT ({needed}) AND NOT ({held})"
            );
        }
        let part = |(at, (name, kind)): (usize, &(&str, Kind))| {
            let cast = match kind {
                Number => "::integer",
                Time => "::timestamptz",
                Text | Flag | Sealed => "",
            };
            format!("t.{name} = (k ->> {at}){cast}")
        };
        let same: Vec<String> = key.iter().enumerate().map(part).collect();
        format!(
            "DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                 SELECT t.ctid FROM json_array_elements($2::json) k JOIN {table} t ON {}
                 WHERE t.{time} < $1 AND NOT ({needed}) AND NOT ({held})
                 FOR UPDATE OF t SKIP LOCKED))",
            same.join(" AND ")
        )
    }

    /// Delete what belongs to those of the keys in `$1` that are gone.
    pub(super) fn delete_children(&self) -> Option<String> {
        let keys = if self.sqlite {
            "SELECT value ->> 0 AS id FROM json_each($1)"
        } else {
            "SELECT k ->> 0 AS id FROM json_array_elements($1::json) k"
        };
        (self.class == Class::WebhookDeliveries).then(|| {
            format!(
                "DELETE FROM webhook_attempts WHERE delivery_id IN (SELECT k.id FROM ({keys}) k
                 WHERE NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.id = k.id))"
            )
        })
    }

    pub(super) fn count_old(&self) -> String {
        format!("SELECT count(*) AS n FROM {} t WHERE t.{} < $1", self.class.as_str(), self.shape.time)
    }

    pub(super) fn count_held(&self) -> String {
        format!("{} AND ({})", self.count_old(), self.held())
    }

    /// Whether a hold covers the row: by a column of its own, by its job, or by what its job wrote into the log.
    fn held(&self) -> String {
        let by = |scope: &str, column: &str| {
            format!("EXISTS (SELECT 1 FROM legal_holds h WHERE h.scope = '{scope}' AND h.key = {column})")
        };
        let own = self.shape.held_by.iter().map(|(scope, column)| by(scope, &format!("t.{column}")));
        let logged = LOGS.held_by.iter().map(|(scope, column)| by(scope, &format!("g.{column}")));
        let logged = logged.collect::<Vec<_>>().join(" OR ");
        let of_job = format!(
            "{} OR EXISTS (SELECT 1 FROM integration_logs g WHERE g.job_id = t.job_id AND ({logged}))",
            by("job", "t.job_id")
        );
        let all: Vec<String> = own.chain([of_job]).collect();
        // Mostly there is no hold at all, and nothing else is looked at.
        format!("EXISTS (SELECT 1 FROM legal_holds) AND ({})", all.join(" OR "))
    }

    /// The whole row as a JSON object.
    fn row(&self) -> String {
        let children = (self.class == Class::WebhookDeliveries).then(|| {
            let (all, one) =
                (if self.sqlite { "json_group_array" } else { "json_agg" }, self.object(ATTEMPTS, "a", &[]));
            let json = if self.sqlite { "json" } else { "" };
            let order = "ORDER BY a.attempted_at";
            let list =
                if self.sqlite { format!("{all}({json}({one}) {order})") } else { format!("{all}({one} {order})") };
            format!("'attempts', (SELECT {list} FROM webhook_attempts a WHERE a.delivery_id = t.id)")
        });
        let children: Vec<String> = children.into_iter().collect();
        let object = self.object(self.shape.columns, "t", &children);
        if self.sqlite { object } else { format!("({object})::text") }
    }

    fn object(&self, columns: &[(&str, Kind)], row: &str, more: &[String]) -> String {
        let fields =
            columns.iter().map(|(name, kind)| format!("'{name}', {}", self.value(&format!("{row}.{name}"), *kind)));
        let fields = fields.chain(more.iter().cloned()).collect::<Vec<_>>().join(", ");
        format!("{}({fields})", if self.sqlite { "json_object" } else { "json_build_object" })
    }

    /// The same text of a value from both backends.
    fn value(&self, column: &str, kind: Kind) -> String {
        match (kind, self.sqlite) {
            (Text | Number, _) | (Flag, false) => column.to_owned(),
            (Flag, true) => format!("json(CASE WHEN {column} THEN 'true' ELSE 'false' END)"),
            // Stored as `2026-11-28 17:24:36.123456`, with as many digits as it takes.
            (Time, true) => format!("replace({column}, ' ', 'T') || 'Z'"),
            (Time, false) => format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
            // Of nothing it makes an empty text.
            (Sealed, true) => format!("nullif(lower(hex({column})), '')"),
            (Sealed, false) => format!("encode({column}, 'hex')"),
        }
    }
}
