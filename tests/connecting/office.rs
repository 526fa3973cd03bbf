//! A house whose operator connects accounts, a provider next door, and the owner's browser.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    thread::JoinHandle,
};

use liaison_queue::faults::Point;
use liaison_sandbox::{CLIENT_ID, CLIENT_SECRET, Style, TokenServer};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::{House, PATIENCE};

pub(super) struct Office {
    pub(super) house: House,
    pub(super) server: TokenServer,
    _runtime: Runtime,
}

/// `integrations connect`, which waits for the owner.
pub(super) struct Connecting {
    /// What it said at first.
    pub(super) told: Value,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: Option<JoinHandle<String>>,
    said: String,
}

impl Office {
    /// Google by the names that hosts have for its client, and Zoom by ours.
    pub(super) fn new(house: House) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(TokenServer::start(Style::Kept)).expect("a server");
        let mut house = house
            .set("GOOGLE_CLIENT_ID", CLIENT_ID)
            .set("GOOGLE_CLIENT_SECRET", CLIENT_SECRET)
            .set("LIAISON_PROVIDER__0__NAME", "google")
            .set("LIAISON_PROVIDER__1__NAME", "zoom")
            .set("LIAISON_PROVIDER__1__CLIENT_ID", CLIENT_ID)
            .set("LIAISON_OUTBOUND__ALLOW", "127.0.0.0/8");
        for index in [0, 1] {
            house = house
                .set(&format!("LIAISON_PROVIDER__{index}__AUTH_URL"), &server.auth_url())
                .set(&format!("LIAISON_PROVIDER__{index}__TOKEN_URL"), &server.token_url());
        }
        let spool = house.path("spool").display().to_string();
        Self { house: house.set("LIAISON_TOKENS__SPOOL", &spool), server, _runtime: runtime }
    }

    pub(super) fn connect(&self, provider: &str, arguments: &[&str]) -> Connecting {
        self.connect_with(provider, arguments, None)
    }

    /// The same, and it dies at this point.
    pub(super) fn connect_with(&self, provider: &str, arguments: &[&str], dies: Option<Point>) -> Connecting {
        let words = ["integrations", "connect", provider, "--organizer", "org", "--json"];
        let mut command = self.house.command(&[&words, arguments].concat());
        if let Some(point) = dies {
            command.env("LIAISON_FAULTS", format!("{point}:kill"));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start liaison");
        let mut errors = child.stderr.take().expect("its errors");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its first line");
        let told = serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
        Connecting { told, child, input, output, errors: Some(errors), said: String::new() }
    }

    pub(super) fn show(&self, account: &str) -> Value {
        self.house.json(&["integrations", "show", account])
    }

    /// No token, code or secret stands in what was said, or in what is listed.
    pub(super) fn tells_no_secret(&self, said: &[&str]) {
        let lists = [&["integrations", "list", "--json"][..], &["logs", "--json"], &["check"]];
        let lists = lists.map(|words| String::from_utf8_lossy(&self.house.cli(words).stdout).into_owned());
        let all = format!("{}{}", said.concat(), lists.concat());
        for secret in ["sandbox-access-token", "sandbox-refresh-token", "sandbox-code-token", CLIENT_SECRET] {
            assert!(!all.contains(secret), "{secret} in:\n{all}");
        }
    }
}

impl Connecting {
    pub(super) fn url(&self) -> &str {
        self.told["authorization_url"].as_str().expect("an address")
    }

    pub(super) fn paste(&mut self, address: &str) {
        let mut input = self.input.take().expect("its input");
        // It may have ended already.
        let _ = writeln!(input, "{address}");
    }

    /// What it answers in the end, which must be good.
    pub(super) fn end(&mut self) -> Value {
        let (well, text) = self.finish();
        assert!(well, "{text} {}", self.said);
        serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"))
    }

    /// What it says is wrong.
    pub(super) fn fail(&mut self) -> String {
        let (well, text) = self.finish();
        assert!(!well, "it went well: {text}");
        text
    }

    /// What it said beside its answer.
    pub(super) fn said(&self) -> String {
        self.said.clone()
    }

    fn finish(&mut self) -> (bool, String) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("its answer");
        let status = self.child.wait().expect("its end");
        self.said = self.errors.take().expect("it ends once").join().expect("its errors");
        (status.success(), text)
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is answered at an address of this machine.
pub(super) fn visit(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    let mut stream = TcpStream::connect(host).expect("somebody there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let text = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).expect("ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Where an owner comes back to who does what he wants at the provider.
pub(super) fn browse(url: &str) -> String {
    let answer = visit(url);
    let location = answer.lines().find_map(|line| line.strip_prefix("Location: "));
    location.unwrap_or_else(|| panic!("{url}: {answer}")).trim().to_owned()
}
