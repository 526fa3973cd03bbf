//! What is among the dependencies: `.deny.toml`, enforced without building cargo-deny.
//!
//! It reads the part of cargo-deny's format that the file uses, and refuses the rest rather than ignore it. Advisories
//! need a database from the network: cargo-deny checks those.

use super::licence::is_met;
use super::{File, ROOT, report};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

const POLICY: &str = ".deny.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
    private: Private,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "crate")]
    spec: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Private {
    ignore: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    #[expect(dead_code, reason = "that it can be read means deny")]
    multiple_versions: Deny,
    #[expect(dead_code, reason = "that it can be read means deny")]
    wildcards: Deny,
    allow_wildcard_paths: bool,
    deny: Vec<Reasoned>,
    skip: Vec<Reasoned>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reasoned {
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[expect(dead_code, reason = "that it can be read means deny")]
    unknown_registry: Deny,
    #[expect(dead_code, reason = "that it can be read means deny")]
    unknown_git: Deny,
    allow_registry: Vec<String>,
}

/// The only level: a rule that warns is read by nobody.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Deny {
    Deny,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    /// `None` for our own.
    source: Option<String>,
    manifest_path: String,
    dependencies: Vec<Requirement>,
}

#[derive(Deserialize)]
struct Requirement {
    name: String,
    req: String,
    path: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

fn rules() -> &'static Policy {
    static RULES: OnceLock<Policy> = OnceLock::new();
    RULES.get_or_init(|| {
        toml::from_str(&File::read(POLICY).text)
            .unwrap_or_else(|error| panic!("{POLICY}: cannot be enforced; teach tests/tidy/dependencies.rs: {error}"))
    })
}

fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(ROOT).args(["metadata", "--format-version=1", "--locked"]);
        for target in &rules().graph.targets {
            cargo.args(["--filter-platform", target]);
        }
        let answer = cargo.output().expect("cargo can be started, as it has started this test");
        let complaint = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "Cargo.lock:1: cannot be read; run `cargo check`: {complaint}");
        serde_json::from_slice(&answer.stdout).expect("cargo metadata answers in its own format")
    })
}

/// The packages from outside.
fn outside() -> impl Iterator<Item = &'static Package> {
    metadata().packages.iter().filter(|package| package.source.is_some())
}

/// What a direct dependency of a member brings with it, without passing through other members, or through its tests.
pub(super) fn brought_in(manifest: &str, dependency: &str) -> BTreeSet<&'static str> {
    let packages: BTreeMap<_, _> = metadata().packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let edges: BTreeMap<_, _> = metadata().resolve.nodes.iter().map(|node| (node.id.as_str(), &node.deps)).collect();
    let path = format!("{ROOT}/{manifest}");
    let member = packages.values().find(|package| package.manifest_path == path).expect("every manifest is a member's");

    let reached = |from: &str| {
        let built = |edge: &&Edge| edge.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
        let next = edges[from].iter().filter(built).map(|edge| packages[edge.pkg.as_str()]);
        next.filter(|package| package.source.is_some()).collect::<Vec<_>>()
    };
    let mut waiting = reached(&member.id);
    waiting.retain(|package| package.name == dependency);
    let mut found = BTreeSet::new();
    while let Some(package) = waiting.pop() {
        for next in reached(&package.id) {
            if found.insert(next.name.as_str()) {
                waiting.push(next);
            }
        }
    }
    found
}

/// Does `name`, or `name@1` or `name@1.2`, mean this package?
fn means(spec: &str, package: &Package) -> bool {
    let (name, version) = spec.split_once('@').unwrap_or((spec, ""));
    let rest = package.version.strip_prefix(version);
    name == package.name && rest.is_some_and(|rest| version.is_empty() || rest.is_empty() || rest.starts_with('.'))
}

fn in_lock(package: &Package, what: &str) -> String {
    let lock = File::read("Cargo.lock");
    let head = format!("name = \"{}\"\nversion = \"{}\"", package.name, package.version);
    let line = lock.text.find(&head).map_or(1, |at| lock.text[..at].lines().count() + 1);
    lock.finding(line, what)
}

fn in_policy(spec: &str, what: &str) -> String {
    let policy = File::read(POLICY);
    policy.finding(policy.line_of(&format!("crate = \"{spec}\"")), what)
}

#[test]
fn every_licence_is_allowed() {
    assert!(
        rules().licenses.private.ignore,
        "{POLICY}:1: our own crates carry no third party's licence; ignore private ones"
    );
    let findings: Vec<_> = outside()
        .filter(|package| {
            let exceptions = rules().licenses.exceptions.iter().filter(|exception| means(&exception.spec, package));
            let mut allowed = rules().licenses.allow.clone();
            allowed.extend(exceptions.flat_map(|exception| exception.allow.clone()));
            !is_met(package.license.as_deref().unwrap_or_default(), &|licence| {
                allowed.iter().any(|known| known == licence)
            })
        })
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("of no stated licence");
            let what = format!("{} is {licence}; replace it, or make an exception in {POLICY}", package.name);
            in_lock(package, &what)
        })
        .collect();
    report(&findings);
}

#[test]
fn no_dependency_is_banned() {
    let mut findings = Vec::new();
    for ban in &rules().bans.deny {
        for package in outside().filter(|package| means(&ban.spec, package)) {
            let what = format!("{} is banned ({}); see `cargo tree -i {0}`", package.name, ban.reason);
            findings.push(in_lock(package, &what));
        }
    }
    report(&findings);
}

#[test]
fn every_dependency_is_there_once() {
    let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for package in outside().filter(|package| !rules().bans.skip.iter().any(|skip| means(&skip.spec, package))) {
        versions.entry(&package.name).or_default().push(package);
    }
    let findings: Vec<_> = versions
        .into_iter()
        .filter(|(_, packages)| packages.len() > 1)
        .flat_map(|(_, packages)| packages)
        .map(|package| {
            let spec = format!("{}@{}", package.name, package.version);
            let what = format!("{spec} is one of several versions; see `cargo tree -i {spec}`, or skip it in {POLICY}");
            in_lock(package, &what)
        })
        .collect();
    report(&findings);
}

#[test]
fn no_version_is_a_wildcard_and_every_source_is_known() {
    let known = |source: &str| {
        let registry = source.strip_prefix("registry+");
        registry.is_some_and(|registry| rules().sources.allow_registry.iter().any(|known| known == registry))
    };
    let mut findings = Vec::new();
    for package in &metadata().packages {
        if let Some(source) = package.source.as_deref().filter(|source| !known(source)) {
            let what = format!("{} comes from {source}; take it from a registry that {POLICY} allows", package.name);
            findings.push(in_lock(package, &what));
        }
        for requirement in package.dependencies.iter().filter(|requirement| requirement.req == "*") {
            let ours = rules().bans.allow_wildcard_paths && requirement.path.is_some() && package.source.is_none();
            if !ours {
                let what = format!("{} takes any version of {}; state one", package.name, requirement.name);
                findings.push(in_lock(package, &what));
            }
        }
    }
    report(&findings);
}

#[test]
fn every_exception_is_needed_and_has_a_reason() {
    let policy = File::read(POLICY);
    let mut findings = Vec::new();
    for exception in &rules().licenses.exceptions {
        let line = policy.lines().find(|(_, line)| line.contains(&format!("\"{}\"", exception.spec)));
        if line.is_none_or(|(_, line)| !line.contains("# ")) {
            findings.push(in_policy(&exception.spec, "has no reason; end the line with one, after `#`"));
        }
    }
    for entry in rules().bans.deny.iter().chain(&rules().bans.skip) {
        if entry.reason.trim().is_empty() {
            findings.push(in_policy(&entry.spec, "has an empty reason; say why"));
        }
    }
    let exceptions = rules().licenses.exceptions.iter().map(|exception| exception.spec.as_str());
    for spec in exceptions.chain(rules().bans.skip.iter().map(|skip| skip.spec.as_str())) {
        let mut named = outside().filter(|package| means(spec, package)).peekable();
        // A skipped version stands beside another one.
        let alone = |package: &Package| outside().filter(|other| other.name == package.name).count() == 1;
        let skipped = rules().bans.skip.iter().any(|skip| skip.spec == spec);
        if named.peek().is_none() || (skipped && named.all(alone)) {
            findings.push(in_policy(spec, "is no longer needed; delete the line"));
        }
    }
    report(&findings);
}
