//! What the documents promise about each other.

use super::{File, files, is_there, report};

fn documents() -> Vec<File> {
    let mut found = files("docs", ".md");
    let top = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];
    found.extend(top.into_iter().filter(|path| is_there(path)).map(File::read));
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut findings = Vec::new();
    for file in documents() {
        let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        for (number, line) in file.lines() {
            for target in links(line) {
                let path = target.split('#').next().unwrap_or_default();
                let outside = target.contains("://") || target.starts_with("mailto:");
                // An empty path is a heading of the same page.
                if !outside && !path.is_empty() && !is_there(format!("{directory}/{path}").trim_start_matches('/')) {
                    findings.push(file.finding(number, &format!("links to {path}, which is not there; mend the link")));
                }
            }
        }
    }
    report(&findings);
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

#[test]
fn the_changelog_is_open_for_the_next_release() {
    let changelog = File::read("CHANGELOG.md");
    let open = changelog.text.lines().any(|line| line.starts_with("## ") && line.contains("Unreleased"));
    let what = "has no place for this change; add a heading `## Unreleased` above the releases";
    report(&if open { Vec::new() } else { vec![changelog.finding(1, what)] });
}
