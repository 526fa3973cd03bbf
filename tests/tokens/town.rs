//! A house with a provider next door.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use liaison_sandbox::{CLIENT_ID, CLIENT_SECRET, Issued, Style, TokenServer};
use liaison_store::{
    Added, DatabaseUrl, IntegrationKind, KeyRing, LogEntry, NewIntegration, Store, StoreOptions, Tokens,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::House;

pub(super) struct Town {
    pub(super) house: House,
    pub(super) server: TokenServer,
    pub(super) runtime: Runtime,
}

impl Town {
    /// One provider, `acme`, in this style.
    pub(super) fn new(house: House, style: Style) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(TokenServer::start(style)).expect("a server");
        let secret = house.write("client-secret", &format!("{CLIENT_SECRET}\n"));
        let spool = house.path("spool").display().to_string();
        let house = house
            .set("LIAISON_PROVIDER__0__NAME", "acme")
            .set("LIAISON_PROVIDER__0__CLIENT_ID", CLIENT_ID)
            .set("LIAISON_PROVIDER__0__CLIENT_SECRET_FILE", &secret)
            .set("LIAISON_PROVIDER__0__TOKEN_URL", &server.token_url())
            .set("LIAISON_PROVIDER__0__REVOKE_URL", &server.revoke_url())
            .set("LIAISON_PROVIDER__0__SINGLE_USE", if style == Style::SingleUse { "true" } else { "false" })
            .set("LIAISON_TOKENS__SPOOL", &spool)
            .set("LIAISON_OUTBOUND__ALLOW", "127.0.0.0/8");
        Self { house, server, runtime }
    }

    /// An account that has this grant, and believes in it for so many seconds.
    pub(super) fn add(&self, id: &str, grant: &Issued, life: i64) {
        let now = self.house.redis.ask::<Vec<i64>>(&["TIME"])[0];
        self.add_tokens(
            id,
            &json!({
                "access_token": grant.access_token,
                "refresh_token": grant.refresh_token,
                "expires_at": now + life,
            }),
        );
    }

    pub(super) fn add_tokens(&self, id: &str, tokens: &Value) {
        let output = self.add_with(&["calendar", "--organizer", "org", "--provider", "acme", "--id", id], tokens);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// `integrations add`, with tokens on its standard input.
    pub(super) fn add_with(&self, arguments: &[&str], tokens: &Value) -> Output {
        let mut command = self.house.command(&[&["integrations", "add"], arguments].concat());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start liaison");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(tokens.to_string().as_bytes()).expect("say the tokens");
        drop(input);
        child.wait_with_output().expect("liaison ends")
    }

    /// So many accounts of new grants at once, around the command line.
    pub(super) fn add_many(&self, count: usize, life: impl Fn(usize) -> i64) {
        let url: DatabaseUrl = format!("sqlite:{}", self.house.path("liaison.db").display()).parse().expect("a URL");
        let keys = std::fs::read_to_string(self.house.path("key")).expect("the key");
        let now = chrono::DateTime::from_timestamp(self.house.redis.ask::<Vec<i64>>(&["TIME"])[0], 0).expect("a time");
        self.runtime.block_on(async {
            let keys = KeyRing::parse(&keys).expect("keys");
            let store = Store::open(&url, keys, StoreOptions::default()).await.expect("the store");
            for number in 0..count {
                let grant = self.server.issue();
                let account = NewIntegration {
                    kind: IntegrationKind::ALL[number % 2],
                    id: Some(format!("many-{number}")),
                    fresh_id: String::new(),
                    organizer_id: "org".to_owned(),
                    provider: "acme".to_owned(),
                    provider_user_id: None,
                    provider_email: None,
                    tokens: Tokens {
                        access_token: grant.access_token,
                        refresh_token: Some(grant.refresh_token),
                        expires_at: Some(now + chrono::TimeDelta::seconds(life(number))),
                        scope: None,
                    },
                };
                let entry = LogEntry { id: format!("added-{number}"), created_at: now, ..LogEntry::default() };
                let added = store.add_integration(account, now, entry.into()).await.expect("add it");
                assert!(matches!(added, Added::New(_)), "{added:?}");
            }
        });
    }

    /// The envelope of a job that calls the provider.
    pub(super) fn call(&self, id: &str, account: &str) -> String {
        let args = json!({"kind": "calendar", "id": account, "url": self.server.api_url()});
        json!({"id": id, "job": "call_provider", "args": args}).to_string()
    }

    /// Ask for a refresh.
    pub(super) fn refresh(&self, id: &str, account: &str) {
        let args = json!({"kind": "calendar", "id": account});
        self.house.redis.push("default", &[json!({"id": id, "job": "refresh_token", "args": args}).to_string()]);
    }

    pub(super) fn show(&self, account: &str) -> Value {
        self.house.json(&["integrations", "show", account])
    }

    /// How often this happened to an account, by its log.
    pub(super) fn logged(&self, account: &str, what: &str) -> usize {
        let row = self.show(account);
        row["log"].as_array().expect("a log").iter().filter(|line| line["log_type"] == what).count()
    }

    pub(super) fn outcomes(&self, id: &str) -> Vec<String> {
        let outcome = |run: &Value| run["outcome"].as_str().expect("an outcome").to_owned();
        self.house.runs(id).iter().map(outcome).collect()
    }

    /// How often the owner was told of a stage of an episode. Whoever tells is not our business here.
    pub(super) fn notices(&self, account: &str, episode: i32, stage: &str) -> usize {
        self.house.runs(&format!("notify:calendar:{account}:{episode}:{stage}")).len()
    }

    pub(super) fn spooled(&self) -> usize {
        std::fs::read_dir(self.house.path("spool")).map_or(0, Iterator::count)
    }

    pub(super) fn spool_is_empty(&self) {
        crate::support::until("nothing waits in the spool", || self.spooled() == 0);
    }

    /// No token, and no secret of the client, stands in what was said.
    pub(super) fn tells_no_secret(&self, said: &str) {
        let lists = [
            self.house.cli(&["integrations", "list", "--json"]),
            self.house.cli(&["runs", "list", "--limit", "1000", "--json"]),
            self.house.cli(&["dead", "list", "--json"]),
            self.house.cli(&["check"]),
        ];
        let mut all = said.to_owned();
        for output in lists {
            all.push_str(&String::from_utf8_lossy(&output.stdout));
            all.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        for secret in ["sandbox-access-token", "sandbox-refresh-token", CLIENT_SECRET] {
            assert!(!all.contains(secret), "{secret} in:\n{all}");
        }
    }
}
