//! Several servers that belong together: a cluster, or a master with a replica and their sentinels. Each on a port of its
//! own on the loopback, with a folder of its own; each ends with the test, by its own pid.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use redis::{Cmd, Connection, FromRedisValue, RedisResult, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{redis::program, until};

/// A port that is free, and with it the one 10,000 above, which a node of a cluster uses for its own talk. Both lie
/// below those that the system gives to outgoing connections.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mine = u16::try_from(std::process::id() % 120).expect("small") * 100;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = 10_000 + (mine + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

/// One server on a port.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// For TLS, if an option asks for it.
    pub(crate) tls_port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// With these options; `{tls}` stands for a port to use for TLS.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut server = Self::prepare();
        let port = server.port.to_string();
        server.arguments = ["--port", &port, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
            .iter()
            .chain(options)
            .map(|option| option.replace("{tls}", &server.tls_port.to_string()))
            .collect();
        server.resume();
        server
    }

    fn prepare() -> Self {
        let folder = tempfile::Builder::new().prefix("liaison-test-").tempdir().expect("a temporary folder");
        Self { port: free_port(), tls_port: free_port(), folder, arguments: Vec::new(), child: None }
    }

    /// A sentinel that calls the server on this port `main`.
    pub(crate) fn sentinel(master: u16) -> Self {
        let mut server = Self::prepare();
        let text = format!(
            "port {}\nsentinel monitor main 127.0.0.1 {master} 2\nsentinel down-after-milliseconds main 1500\n\
             sentinel failover-timeout main 5000\n",
            server.port
        );
        let path = server.folder.path().join("sentinel.conf");
        std::fs::write(&path, text).expect("write the sentinel's file");
        server.arguments = vec![path.display().to_string(), "--sentinel".into()];
        server.resume();
        server
    }

    pub(crate) fn resume(&mut self) {
        let mut command = Command::new(program());
        command.args(&self.arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("start redis-server: install it with `make deps`"));
        // It may answer with a refusal, such as that it wants TLS.
        until("the server listens", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn connect(&self) -> RedisResult<Connection> {
        let connection =
            redis::Client::open(format!("redis://{}", self.address()))?.get_connection_with_timeout(SHORT)?;
        connection.set_read_timeout(Some(PATIENT))?;
        Ok(connection)
    }

    pub(crate) fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        words_of(words).query(&mut self.connect()?)
    }

    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap_or_else(|fault| panic!("{words:?} of {}: {fault}", self.port))
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        kill_process(pid.expect("a running server"), signal).expect("signal the server");
    }

    /// A line of its INFO.
    pub(crate) fn info(&self, name: &str) -> Option<String> {
        let info: String = self.try_ask(&["INFO", "everything"]).ok()?;
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

const SHORT: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_secs(10);

fn words_of(words: &[&str]) -> Cmd {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command
}

/// Masters that share the slots evenly, and perhaps replicas of the first of them.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
    masters: usize,
}

impl Cluster {
    pub(crate) fn start(masters: usize, replicas: usize) -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let servers: Vec<Server> = (0..masters + replicas).map(|_| Server::start(&options)).collect();
        for (at, server) in servers.iter().enumerate() {
            server.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            if at < masters {
                let slots: Vec<String> =
                    (at * SLOTS / masters..(at + 1) * SLOTS / masters).map(|slot| slot.to_string()).collect();
                let slots = slots.iter().map(String::as_str);
                server.ask::<()>(&["CLUSTER", "ADDSLOTS"].into_iter().chain(slots).collect::<Vec<_>>());
            }
            server.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &servers[0].port.to_string()]);
        }
        let knows_all = |server: &Server| {
            server.ask::<String>(&["CLUSTER", "NODES"]).lines().filter(|line| !line.contains("handshake")).count()
                == servers.len()
        };
        until("all nodes know each other", || servers.iter().all(knows_all));
        let first: String = servers[0].ask(&["CLUSTER", "MYID"]);
        for replica in &servers[masters..] {
            replica.ask::<()>(&["CLUSTER", "REPLICATE", &first]);
            until("the replica follows", || replica.info("master_link_status").as_deref() == Some("up"));
        }
        let is_whole = |server: &Server| server.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        until("the cluster is whole", || servers.iter().all(is_whole));
        Self { servers, masters }
    }

    pub(crate) fn url(&self) -> String {
        let all: Vec<_> = self.servers.iter().map(Server::address).collect();
        format!("redis-cluster://{}", all.join(","))
    }

    pub(crate) fn slot(&self, key: &str) -> usize {
        self.servers[self.masters - 1].ask(&["CLUSTER", "KEYSLOT", key])
    }

    /// A name for a queue that lives on this master while no slot has moved.
    pub(crate) fn queue_on(&self, master: usize) -> String {
        let home = |name: &String| self.slot(&format!("{{{name}}}")) * self.masters / SLOTS == master;
        (0..1000).map(|n| format!("q{n}")).find(home).expect("a name for every third of the slots")
    }

    /// As a host's client would: go where the cluster says.
    pub(crate) fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let (mut at, mut asking, mut hops) = (0, false, 0);
        loop {
            let answer = self.servers[at].connect().and_then(|mut connection| {
                if asking {
                    redis::cmd("ASKING").exec(&mut connection)?;
                }
                words_of(words).query::<Value>(&mut connection)
            });
            let fault = match answer {
                Ok(value) => return Ok(T::from_redis_value(value)?),
                Err(fault) => fault,
            };
            let port = fault.redirect_node().and_then(|(to, _)| to.rsplit_once(':')?.1.parse::<u16>().ok());
            let next = port.and_then(|port| self.servers.iter().position(|server| server.port == port));
            hops += 1;
            asking = fault.code() == Some("ASK");
            at = match next {
                Some(next) if hops < 10 => next,
                // This one is down; another knows more.
                None if fault.is_io_error() && hops < self.servers.len() => (at + 1) % self.servers.len(),
                _ => return Err(fault),
            };
        }
    }

    /// Push lines one by one through the plain door, with patience; how many were accepted.
    pub(crate) fn push(&self, queue: &str, lines: &[String]) -> usize {
        let inbox = format!("liaison:{{{queue}}}:inbox");
        for line in lines {
            until("a line is accepted", || self.try_ask::<i64>(&["RPUSH", &inbox, line]).is_ok());
        }
        lines.len()
    }

    /// What is left of a queue, wherever it is, beside what may stay.
    pub(crate) fn leftovers(&self, queue: &str) -> Vec<String> {
        let mine = format!("liaison:{{{queue}}}:");
        let stays = ["counters", "pulse", "recent", "workers", "idle", "paused"];
        let there = self.servers.iter().filter(|server| server.info("role").as_deref() == Some("master"));
        let keys = there.flat_map(|server| server.ask::<Vec<String>>(&["KEYS", "liaison:*"]));
        keys.filter(|key| {
            key.strip_prefix(&mine).is_some_and(|name| !stays.contains(&name) && !name.starts_with("reply:"))
        })
        .filter(|key| {
            let lines = || self.try_ask::<Vec<String>>(&["LRANGE", key, "0", "-1"]).unwrap_or_default();
            !(key.ends_with(":inbox") && lines().iter().all(String::is_empty))
        })
        .collect()
    }

    /// Which server has this slot now.
    pub(crate) fn owner(&self, slot: usize) -> usize {
        let owns = |server: &Server| {
            let slots: Vec<(usize, usize, Vec<Value>)> = server.ask(&["CLUSTER", "SLOTS"]);
            let range = slots.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
            range.is_some_and(|(.., node)| node.get(1) == Some(&Value::Int(server.port.into())))
        };
        self.servers.iter().position(owns).expect("an owner")
    }

    /// Open a slot for its move: from now on its queue is in two places.
    pub(crate) fn open(&self, slot: usize, to: usize) -> Move<'_> {
        let from = self.owner(slot);
        let [source, target] = [from, to].map(|at| self.servers[at].ask::<String>(&["CLUSTER", "MYID"]));
        let number = slot.to_string();
        self.servers[to].ask::<()>(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &source]);
        self.servers[from].ask::<()>(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &target]);
        Move { cluster: self, slot, from, to, target }
    }
}

const SLOTS: usize = 16384;

/// A slot on its way.
pub(crate) struct Move<'a> {
    cluster: &'a Cluster,
    slot: usize,
    from: usize,
    to: usize,
    target: String,
}

impl Move<'_> {
    /// Carry every key over, one by one, and give the slot to its new master.
    pub(crate) fn finish(self) {
        let Self { cluster, slot, from, to, target } = self;
        let (slot, port) = (slot.to_string(), cluster.servers[to].port.to_string());
        let source = &cluster.servers[from];
        loop {
            let keys: Vec<String> = source.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
            if keys.is_empty() {
                break;
            }
            for key in &keys {
                source.ask::<()>(&["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS", key]);
            }
        }
        let others = (0..cluster.masters).filter(|at| *at != from && *at != to);
        for at in [to, from].into_iter().chain(others) {
            cluster.servers[at].ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]);
        }
    }
}

/// A master called `main`, a replica, and three sentinels that watch them.
pub(crate) struct Sentinels {
    pub(crate) servers: [Server; 2],
    sentinels: Vec<Server>,
}

impl Sentinels {
    pub(crate) fn start() -> Self {
        let master = Server::start(&[]);
        let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        until("the replica follows", || replica.info("master_link_status").as_deref() == Some("up"));
        let sentinels: Vec<Server> = (0..3).map(|_| Server::sentinel(master.port)).collect();
        let sees_all = |sentinel: &Server| {
            let master: std::collections::HashMap<String, String> =
                sentinel.try_ask(&["SENTINEL", "MASTER", "main"]).unwrap_or_default();
            let is = |name: &str, value: &str| master.get(name).is_some_and(|found| found == value);
            is("num-other-sentinels", "2") && is("num-slaves", "1")
        };
        until("the sentinels see all", || sentinels.iter().all(sees_all));
        Self { servers: [master, replica], sentinels }
    }

    pub(crate) fn url(&self) -> String {
        let all: Vec<_> = self.sentinels.iter().map(Server::address).collect();
        format!("redis-sentinel://{}/main", all.join(","))
    }

    /// The server that all the sentinels name: for a second or two after a failover, some have not heard of it.
    pub(crate) fn master(&self) -> &Server {
        let said = |sentinel: &Server| -> u16 {
            let (_, port): (String, u16) = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
            port
        };
        let mut port = 0;
        until("the sentinels agree", || {
            port = said(&self.sentinels[0]);
            self.sentinels.iter().all(|sentinel| said(sentinel) == port)
        });
        self.servers.iter().find(|server| server.port == port).expect("one of the two")
    }
}
