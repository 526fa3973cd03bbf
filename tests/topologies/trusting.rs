//! Certificates and users: whom we trust, who we say we are, and what we may do.

use std::{path::Path, process::Command};

use crate::{
    support::{Cluster, House, Server, until},
    wire_protocol::access,
};

/// A CA, and a certificate that it signed: `ca.crt`, `redis.crt` and `redis.key` in this folder.
fn certificates(folder: &Path) {
    let openssl = |words: &str| {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
        let output = output.expect("run openssl: install it with `make deps`");
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").expect("write the names");
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {new_key} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca"));
    openssl(&format!("req {new_key} -keyout redis.key -out redis.csr -subj /CN=test"));
    openssl("x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out redis.crt -days 2 -extfile names");
    openssl(&format!("req -x509 {new_key} -keyout other.key -out other.crt -days 2 -subj /CN=stranger"));
}

#[test]
fn a_server_that_demands_a_certificate_gets_ours() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let files = ["ca.crt", "redis.crt", "redis.key"].map(file);
    let [ca, cert, key] = &files;
    // A cluster of one: the same server by two kinds of address. Its nodes would talk under TLS as well.
    let server = Server::start(&[
        "--cluster-enabled",
        "yes",
        "--tls-cluster",
        "yes",
        "--tls-port",
        "{tls}",
        "--tls-ca-cert-file",
        ca,
        "--tls-cert-file",
        cert,
        "--tls-key-file",
        key,
        "--tls-auth-clients",
        "yes",
    ]);
    server.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("the cluster is whole", || server.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let url = format!("rediss-cluster://127.0.0.1:{}", server.tls_port);
    let house = House::sqlite().set("LIAISON_REDIS_URL", &url);
    let refused = |house: &House, words: &str| {
        let output = house.cli(&["queues", "list"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "waited for {words:?} in: {said}");
    };
    refused(&house, "name its CA as [redis] ca_file");
    let house = house.set("LIAISON_REDIS__CA_FILE", ca);
    refused(&house, "demands a client certificate; set [redis] cert_file and key_file");
    let house = house.set("LIAISON_REDIS__CERT_FILE", &file("other.crt")).set("LIAISON_REDIS__KEY_FILE", key);
    refused(&house, "do not belong together");
    let house = house.set("LIAISON_REDIS__KEY_FILE", &file("other.key"));
    refused(&house, "does not trust our certificate");
    let house = house.set("LIAISON_REDIS__CERT_FILE", cert).set("LIAISON_REDIS__KEY_FILE", &file("nowhere.key"));
    refused(&house, "nowhere.key cannot be read");
    let house = house.set("LIAISON_REDIS__KEY_FILE", cert);
    refused(&house, "holds no private key in PEM");

    let house = house.set("LIAISON_REDIS__KEY_FILE", key);
    let worker = house.worker();
    assert_eq!(house.json(&["enqueue", "echo", "--args", "[1]", "--wait", "30s"])["result"], serde_json::json!([1]));
    let log = worker.stop();
    let secret = std::fs::read_to_string(folder.path().join("redis.key")).expect("the key");
    assert!(!log.contains(secret.lines().nth(1).expect("a line of the key")));
}

#[test]
fn a_server_of_another_kind_is_named_with_the_right_way_to_write_it() {
    let (single, cluster) = (Server::start(&[]), Cluster::start(3, 0));
    let sentinel = Server::sentinel(single.port);
    let house = House::sqlite().set("LIAISON_REDIS__CONNECT_TIMEOUT", "300ms");
    let fails = |house: House, url: &str, words: &[&str]| {
        let house = house.set("LIAISON_REDIS_URL", url);
        let output = house.cli(&["worker"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.iter().all(|word| said.contains(word)), "{words:?} in: {said}");
        house
    };
    let node = &cluster.servers[1];
    let house = fails(house, &format!("redis://{}", node.address()), &["a node of a cluster; write redis-cluster://"]);
    let house = fails(house, &format!("redis://{}", sentinel.address()), &["a sentinel; write redis-sentinel://"]);
    let house =
        fails(house, &format!("redis-cluster://{}", single.address()), &["not a node of a cluster; write redis://"]);
    // Every master has to keep what it accepts.
    node.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    fails(house, &cluster.url(), &[&node.address(), "allkeys-lru", "noeviction"]);
}

#[test]
fn the_daemons_user_works_in_a_cluster_with_the_rights_of_the_protocol() {
    let cluster = Cluster::start(3, 0);
    let [.., daemon, _] = access::users();
    for server in &cluster.servers {
        server.ask::<String>(&daemon.iter().map(String::as_str).collect::<Vec<_>>());
        server.ask::<()>(&["ACL", "LOG", "RESET"]);
    }
    let url = cluster.url().replace("://", &format!("://liaison:{}@", access::PASSWORD));
    let [here, there] = [0, 1].map(|master| cluster.queue_on(master));
    let house = House::sqlite().set("LIAISON_REDIS_URL", &url).set("LIAISON_QUEUE__0__NAME", &here);
    let house = house.set("LIAISON_QUEUE__1__NAME", &there);
    let worker = house.worker();
    cluster.push(&here, &[format!(r#"{{"job":"noop","id":"sent-on","queue":"{there}"}}"#)]);
    let told = house.json(&["enqueue", "echo", "--queue", &here, "--args", "[1]", "--wait", "30s"]);
    assert_eq!(told["outcome"], "done");
    until("both are done", || house.count("done") == 2);
    house.json(&["queues", "list"]);
    house.json(&["workers", "list"]);
    let log = worker.stop();
    assert!(!log.contains(access::PASSWORD), "{log}");
    for server in &cluster.servers {
        assert_eq!(access::denied(&server.ask::<Vec<_>>(&["ACL", "LOG"])), [""; 0]);
    }
}
