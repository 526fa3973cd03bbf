//! Traces: from the host's span over the run to the call of a provider, and what a collector may do without harm.

mod collector;

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::Command,
};

use serde_json::{Value, json};

use self::collector::{Collector, Manner, attribute};
use crate::support::{House, http::Front, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn house(collector: &Collector) -> House {
    House::sqlite().set("LIAISON_TRACES__ENDPOINT", &collector.url())
}

fn push(house: &House, line: &Value) {
    house.redis.push("default", &[line.to_string()]);
}

fn ended(house: &House, id: &str, runs: usize) {
    until(&format!("{runs} runs of {id}"), || house.runs(id).len() == runs);
}

/// Somebody to knock at: the words that each caller says.
fn door() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let (way, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            if BufReader::new(stream).read_line(&mut line).is_ok() && way.send(line.trim().to_owned()).is_err() {
                return;
            }
        }
    });
    (address, said)
}

fn metric(front: &Front, name: &str) -> u64 {
    let body = front.get("/metrics").body;
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {body}"))
}

#[test]
fn a_trace_goes_from_the_host_over_the_run_to_the_provider() {
    let collector = Collector::start();
    let house = house(&collector).set("LIAISON_TRACES__ATTRIBUTES", "deployment.environment.name=test");
    let worker = house.worker();
    let (address, said) = door();
    let args = json!({"address": address, "trace": true, "password": "hunter2"});
    push(&house, &json!({"id": "a", "job": "knock", "args": args, "trace": format!("00-{TRACE}-{SPAN}-01")}));

    let run = collector.runs("a", 1).remove(0);
    assert_eq!((&run["traceId"], &run["parentSpanId"]), (&json!(TRACE), &json!(SPAN)));
    assert_eq!((&run["name"], &run["kind"], &run["status"]), (&json!("run knock"), &json!(5), &json!({})));
    let recorded = house.runs("a").remove(0);
    for (name, value) in [
        ("messaging.system", json!("liaison")),
        ("messaging.destination.name", json!("default")),
        ("messaging.client.id", recorded["worker"].clone()),
        ("liaison.job.name", json!("knock")),
        ("liaison.job.attempt", json!("1")),
        ("liaison.job.run", json!("1")),
        ("liaison.job.outcome", json!("done")),
        ("error.type", Value::Null),
    ] {
        assert_eq!(attribute(&run, name), value, "{name}");
    }
    assert!(attribute(&run, "liaison.job.waited_ms").as_str().is_some_and(|ms| ms.parse::<u32>().is_ok()), "{run}");

    let call = collector.span("knock");
    assert_eq!((&call["traceId"], &call["parentSpanId"], &call["kind"]), (&json!(TRACE), &run["spanId"], &json!(3)));
    let header = format!("a 00-{TRACE}-{}-01", call["spanId"].as_str().expect("an id"));
    assert_eq!(said.recv().expect("a knock"), header);
    let times = |span: &Value| {
        ["startTimeUnixNano", "endTimeUnixNano"]
            .map(|at| span[at].as_str().expect("a text").parse::<u64>().expect("ns"))
    };
    let ([begun, over], [called, answered]) = (times(&run), times(&call));
    assert!(begun <= called && called <= answered && begun <= over, "{run} {call}");

    let delivery = collector.delivery(Manner::Take);
    assert!(delivery.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", delivery.head);
    assert!(delivery.head.to_ascii_lowercase().contains("content-type: application/json\r\n"), "{}", delivery.head);
    let resource = &delivery.body["resourceSpans"][0]["resource"];
    assert_eq!(attribute(resource, "service.name"), "liaison");
    assert_eq!(attribute(resource, "deployment.environment.name"), "test");
    worker.stop();
    let all = format!("{:?}", collector.deliveries());
    assert!(!all.contains("hunter2") && !all.contains(&address), "{all}");
}

#[test]
fn attempts_share_a_trace_and_tell_what_went_wrong() {
    let collector = Collector::start();
    let house = house(&collector);
    let worker = house.worker();
    push(&house, &json!({"id": "retried", "job": "fail", "args": {"times": 1}}));
    push(&house, &json!({"id": "dead", "job": "fail", "args": {"times": 9}, "max_attempts": 1, "trace": "nonsense"}));
    push(&house, &json!({"id": "panics", "job": "panic", "max_attempts": 1}));
    push(&house, &json!({"id": "never", "job": "no_such_job", "trace": format!("00-{TRACE}-{SPAN}-01")}));

    let runs = collector.runs("retried", 2);
    assert_eq!(runs[0]["traceId"], runs[1]["traceId"]);
    assert_ne!(runs[0]["spanId"], runs[1]["spanId"]);
    assert!(runs.iter().all(|run| run["parentSpanId"].is_null()), "{runs:#?}");
    assert_eq!(runs.iter().map(|run| attribute(run, "liaison.job.attempt")).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(runs.iter().map(|run| attribute(run, "liaison.job.outcome")).collect::<Vec<_>>(), ["retry", "done"]);
    assert_eq!((&runs[0]["status"]["code"], &runs[1]["status"]), (&json!(2), &json!({})));

    for (id, words) in [("dead", "gave up after 1 attempts"), ("panics", "panicked")] {
        let run = collector.runs(id, 1).remove(0);
        assert_eq!((&run["status"]["code"], attribute(&run, "error.type")), (&json!(2), json!("dead")));
        assert!(run["status"]["message"].as_str().is_some_and(|why| why.contains(words)), "{run}");
        assert_ne!(run["traceId"], runs[0]["traceId"]);
    }
    // No handler began for it, so nothing was run.
    ended(&house, "never", 1);
    worker.stop();
    assert!(collector.spans().iter().all(|span| span["traceId"] != TRACE), "{:#?}", collector.spans());
}

#[test]
fn what_the_host_does_not_record_is_not_recorded_here() {
    let collector = Collector::start();
    let house = house(&collector);
    let worker = house.worker();
    let (address, said) = door();
    let trace = format!("00-{TRACE}-{SPAN}-00");
    push(&house, &json!({"id": "a", "job": "knock", "args": {"address": address, "trace": true}, "trace": trace}));
    assert_eq!(said.recv().expect("a knock"), format!("a {trace}"));
    ended(&house, "a", 1);
    worker.stop();
    assert_eq!(collector.spans(), [Value::Null; 0]);

    // Nor what begins here, when none of that is wanted.
    let house = house.set("LIAISON_TRACES__ONE_IN", "0");
    let worker = house.worker();
    push(&house, &json!({"id": "b", "job": "noop"}));
    push(&house, &json!({"id": "c", "job": "noop", "trace": format!("00-{TRACE}-{SPAN}-01")}));
    ended(&house, "b", 1);
    collector.runs("c", 1);
    worker.stop();
    assert_eq!(collector.spans().len(), 1);
}

#[test]
fn without_a_collector_the_host_s_trace_still_reaches_the_provider() {
    let house = House::sqlite();
    let worker = house.worker();
    let ((address, said), trace) = (door(), format!("00-{TRACE}-{SPAN}-01"));
    push(&house, &json!({"id": "a", "job": "knock", "args": {"address": address, "trace": true}, "trace": trace}));
    assert_eq!(said.recv().expect("a knock"), format!("a {trace}"));
    worker.stop();
}

#[test]
fn a_collector_that_is_away_delays_no_job_and_is_found_again() {
    let place = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = place.local_addr().expect("its address");
    drop(place);
    let house = House::sqlite().set("LIAISON_TRACES__ENDPOINT", &format!("http://{address}"));
    let worker = house.worker();
    push(&house, &json!({"id": "a", "job": "noop"}));
    worker.says("does not take spans: trying again");
    push(&house, &json!({"id": "b", "job": "noop"}));
    ended(&house, "b", 1);
    let collector = Collector::at(TcpListener::bind(address).expect("the same port"));
    collector.runs("a", 1);
    collector.runs("b", 1);
    worker.says("takes spans again; 0 were dropped meanwhile");
    let log = worker.stop();
    assert_eq!(log.matches("does not take spans").count(), 1, "{log}");
}

#[test]
fn a_collector_that_behaves_badly_gets_every_span_in_the_end() {
    let collector = Collector::start();
    let house = house(&collector).set("LIAISON_TRACES__TIMEOUT", "300ms");
    let worker = house.worker();
    for (id, manner) in [("hangs", Manner::Hang), ("is-busy", Manner::Answer(503)), ("limits", Manner::Answer(429))] {
        collector.behave(manner);
        push(&house, &json!({"id": id, "job": "noop"}));
        collector.delivery(manner);
        collector.behave(Manner::Take);
        collector.runs(id, 1);
    }
    collector.behave(Manner::Close);
    push(&house, &json!({"id": "closes", "job": "noop"}));
    collector.closes(1);
    collector.behave(Manner::Take);
    collector.runs("closes", 1);
    worker.stop();
}

#[test]
fn what_a_collector_refuses_is_dropped_and_counted() {
    let collector = Collector::start();
    let (house, front) = Front::of(house(&collector));
    let worker = house.worker();
    collector.behave(Manner::Answer(401));
    push(&house, &json!({"id": "a", "job": "noop"}));
    worker.says("see that [traces] headers_file holds what it asks for");
    until("one is dropped", || metric(&front, "liaison_spans_dropped_total") == 1);
    collector.behave(Manner::TakeInPart);
    house.redis.push("default", &["b", "c"].map(|id| json!({"id": id, "job": "noop"}).to_string()));
    collector.runs("b", 1);
    collector.runs("c", 1);
    until("all are counted", || {
        metric(&front, "liaison_spans_dropped_total") + metric(&front, "liaison_spans_exported_total") == 3
    });
    assert!(metric(&front, "liaison_spans_dropped_total") >= 2);
    worker.stop();
}

#[test]
fn more_spans_than_may_wait_are_dropped_and_no_job_with_them() {
    const JOBS: u64 = 10_000;
    let collector = Collector::start();
    collector.behave(Manner::Hang);
    let (house, front) = Front::of(house(&collector).set("LIAISON_TRACES__TIMEOUT", "1m"));
    let worker = house.worker();
    let lines: Vec<String> = (0..JOBS).map(|_| json!({"job": "noop"}).to_string()).collect();
    house.redis.push("default", &lines);
    let done = r#"liaison_runs_total{job="noop",outcome="done",queue="default"}"#;
    until("all are done", || front.get("/metrics").body.contains(&format!("{done} {JOBS}\n")));
    let dropped = metric(&front, "liaison_spans_dropped_total");
    assert!((1_000..JOBS - 8_192 + 1).contains(&dropped), "{dropped}");
    // Nor does it keep a daemon from its end.
    let log = worker.stop();
    assert!(log.contains("did not take the last spans within 2s"), "{log}");
}

#[test]
fn a_daemon_that_stops_sends_what_it_has() {
    let collector = Collector::start();
    let house = house(&collector);
    let worker = house.worker();
    let (address, said) = door();
    push(&house, &json!({"id": "ends", "job": "knock", "args": {"address": address, "hold_ms": 300}}));
    said.recv().expect("a knock");
    worker.stop();
    assert_eq!(collector.runs("ends", 1).len(), 1);

    // What is handed back has run as well, so far.
    let house = house.set("LIAISON_WORKER__GRACE", "0s");
    let worker = house.worker();
    push(&house, &json!({"id": "handed", "job": "knock", "args": {"address": address, "hold_ms": 600_000}}));
    said.recv().expect("a knock");
    worker.stop();
    let run = collector.runs("handed", 1).remove(0);
    assert_eq!(attribute(&run, "liaison.job.outcome"), "handed_back");
    let calls = collector.spans().into_iter().filter(|span| span["parentSpanId"] == run["spanId"]);
    assert_eq!(calls.count(), 1, "the call that was under way");
}

#[test]
fn headers_are_sent_and_shown_to_nobody() {
    let collector = Collector::start();
    let house = house(&collector);
    let file = house.write("headers", "Authorization: Bearer hunter2\nX-Scope-OrgID: me\n");
    let house = house.set("LIAISON_TRACES__HEADERS_FILE", &file).set("LIAISON_LOG__LEVEL", "trace");
    let worker = house.worker();
    push(&house, &json!({"id": "a", "job": "noop"}));
    let head = collector.delivery(Manner::Take).head.to_ascii_lowercase();
    assert!(head.contains("authorization: bearer hunter2\r\n") && head.contains("x-scope-orgid: me\r\n"), "{head}");
    let log = worker.stop();
    assert!(!log.contains("hunter2"), "{log}");
    assert!(!format!("{:?}", house.cli(&["check"])).contains("hunter2"));

    house.write("headers", "hunter2\n");
    for arguments in [["check"], ["worker"]] {
        let output = house.cli(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("has no header in line 1"), "{said}");
        assert!(said.contains("headers_file") && said.contains("one `Name: value` a line"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// A certificate for this machine and its key.
fn certificate(folder: &Path) {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out ca.pem -days 2 \
                 -subj /CN=here -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let output = Command::new("openssl").args(words.split_ascii_whitespace()).current_dir(folder).output();
    let output = output.expect("run openssl: install it with `make deps`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn under_tls_only_a_collector_that_we_trust_gets_spans() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    certificate(folder.path());
    let (ca, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
    let collector = Collector::secure(&ca, &key);
    let house = House::sqlite().set("LIAISON_TRACES__ENDPOINT", &format!("https://127.0.0.1:{}/", collector.port));
    let worker = house.worker();
    push(&house, &json!({"id": "a", "job": "noop"}));
    worker.says("no connection under TLS");
    worker.stop();
    assert!(collector.deliveries().is_empty());

    let house = house.set("LIAISON_TRACES__CA_FILE", &ca.display().to_string());
    let worker = house.worker();
    push(&house, &json!({"id": "b", "job": "noop"}));
    collector.runs("b", 1);
    worker.stop();
}
