//! How the manifests are written: every version once, each with its reason.

use super::{File, PLACES, is_there, report};
use toml::{Table, Value};

/// A dependency as a member's manifest names it.
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) line: usize,
    /// Only the tests have it.
    pub(super) is_for_tests: bool,
}

/// The manifests of all members, the daemon's own first.
pub(super) fn members() -> Vec<File> {
    let inner = PLACES.iter().map(|place| format!("{place}/Cargo.toml"));
    std::iter::once("Cargo.toml".to_owned())
        .chain(inner)
        .filter(|path| is_there(path))
        .map(|path| File::read(&path))
        .collect()
}

fn parse(manifest: &File) -> Table {
    manifest.text.parse().unwrap_or_else(|error| panic!("{}:1: is not TOML: {error}", manifest.path))
}

/// Every dependency of a manifest, whatever it is for and whichever the platform.
pub(super) fn dependencies(manifest: &File) -> Vec<Dependency> {
    let table = parse(manifest);
    let platforms = table.get("target").and_then(Value::as_table).into_iter().flatten();
    let holders = std::iter::once(&table).chain(platforms.filter_map(|(_, value)| value.as_table()));
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = holders.flat_map(|holder| kinds.map(|kind| (kind, holder.get(kind).and_then(Value::as_table))));
    tables
        .flat_map(|(kind, table)| table.into_iter().flatten().map(move |(name, value)| (kind, name, value)))
        .map(|(kind, name, value)| Dependency {
            name: name.clone(),
            value: value.clone(),
            line: member_line(manifest, name),
            is_for_tests: kind == "dev-dependencies",
        })
        .collect()
}

/// The line that names a dependency outside the workspace's own table.
fn member_line(manifest: &File, name: &str) -> usize {
    let starts = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
    manifest
        .lines()
        .skip_while(|(_, line)| manifest.path == "Cargo.toml" && *line != "[package]")
        .find(|(_, line)| starts(line))
        .map_or(1, |(number, _)| number)
}

/// The lines of the workspace's table that name a crate from a registry.
fn table_lines(root: &File) -> impl Iterator<Item = (usize, &str)> {
    root.lines()
        .skip_while(|(_, line)| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ' ', '}', ']']) && !line.contains("path ="))
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let root = File::read("Cargo.toml");
    let findings: Vec<_> = table_lines(&root)
        .filter(|(_, line)| line.split_once("# ").is_none_or(|(_, reason)| reason.trim().is_empty()))
        .map(|(number, _)| root.finding(number, "has no reason; end the line with `# what it is for`"))
        .collect();
    report(&findings);
}

#[test]
fn every_version_is_in_the_workspace_table() {
    let mut findings = Vec::new();
    for manifest in members() {
        for dependency in dependencies(&manifest) {
            let inherits = dependency.value.get("workspace").and_then(Value::as_bool) == Some(true);
            if !inherits {
                let what = format!(
                    "{0} has its own version; write `{0}.workspace = true`, and the version in the workspace's table",
                    dependency.name
                );
                findings.push(manifest.finding(dependency.line, &what));
            }
        }
    }
    report(&findings);
}

#[test]
fn every_dependency_is_used_by_a_member() {
    let root = File::read("Cargo.toml");
    let used: Vec<_> = members().iter().flat_map(dependencies).map(|dependency| dependency.name).collect();
    let findings: Vec<_> = table_lines(&root)
        .filter_map(|(number, line)| line.split_once(' ').map(|(name, _)| (number, name)))
        .filter(|(_, name)| !used.iter().any(|other| other == name))
        .map(|(number, name)| root.finding(number, &format!("{name} has no user; delete it")))
        .collect();
    report(&findings);
}

#[test]
fn every_member_follows_the_lints() {
    let findings: Vec<_> = members()
        .iter()
        .filter(|manifest| {
            let table = parse(manifest);
            table.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) != Some(true)
        })
        .map(|manifest| manifest.finding(1, "has lints of its own, or none; write `[lints]` and `workspace = true`"))
        .collect();
    report(&findings);
}
