//! The house rules that a machine can check.
//!
//! A rule returns its findings, each as `file:line: what is wrong; what to do`, and `report` fails with all of them.

mod arrows;
mod dependencies;
mod documents;
mod licence;
mod manifests;
mod source;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout: this package is at its top.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every directory that holds the product. What is hidden, or built, is nobody's style.
const PLACES: &[&str] = &["docs", "jobs", "migrations", "queue", "sandbox", "src", "store", "systemd", "tests"];

struct File {
    /// From the top of the checkout, with `/`.
    path: String,
    text: String,
}

impl File {
    fn read(path: &str) -> Self {
        let text = fs::read_to_string(Path::new(ROOT).join(path))
            .unwrap_or_else(|error| panic!("{path}:1: cannot be read ({error}); the house needs this file"));
        Self { path: path.to_owned(), text }
    }

    /// The name without its directory and its ending.
    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split('.').next().unwrap_or(name)
    }

    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|ending| ending == "rs")
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines that are not comments, as far as a glance at how they begin can tell.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let comment = if self.is_rust() { "//" } else { "--" };
        self.lines().filter(move |(_, line)| !line.trim_start().starts_with(comment))
    }

    /// The code above the unit tests at the foot of the file.
    fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take_while(|(_, line)| *line != "mod tests {")
    }

    fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// The first line that contains `text`, for a finding about something that was parsed.
    fn line_of(&self, text: &str) -> usize {
        self.lines().find(|(_, line)| line.contains(text)).map_or(1, |(number, _)| number)
    }
}

/// All files under `place` whose name ends in `ending`, in order.
fn files(place: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from(place)];
    while let Some(directory) = waiting.pop() {
        for (name, is_directory) in entries(&directory) {
            let path = directory.join(&name);
            if is_directory {
                waiting.push(path);
            } else if name.ends_with(ending) {
                found.push(File::read(path.to_str().expect("names here are UTF-8")));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every file of the product with this ending, wherever it is.
fn all_files(ending: &str) -> Vec<File> {
    PLACES.iter().flat_map(|place| files(place, ending)).collect()
}

/// What is in a directory and not hidden: name, and whether it is a directory. Nothing, when there is no such directory.
fn entries(directory: &Path) -> Vec<(String, bool)> {
    let Ok(listing) = fs::read_dir(Path::new(ROOT).join(directory)) else { return Vec::new() };
    let mut found: Vec<_> = listing
        .map(|entry| entry.expect("the checkout can be read"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path().is_dir()))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    found.sort();
    found
}

fn is_there(path: &str) -> bool {
    Path::new(ROOT).join(path).exists()
}

/// Does `text` contain `word`, with no letter, digit or underscore on either side?
fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].ends_with(inside);
        let after = word.ends_with(inside) && text[start + word.len()..].starts_with(inside);
        !before && !after
    })
}

/// Where a word stands in the code of these directories.
pub(crate) fn uses(places: &[&str], word: &str) -> Vec<String> {
    let all: Vec<_> = places.iter().flat_map(|place| files(place, ".rs")).collect();
    let lines = all.iter().flat_map(|file| file.product_code().map(move |(number, line)| (file, number, line)));
    lines.filter(|(_, _, line)| has_word(line, word)).map(|(file, number, _)| file.finding(number, word)).collect()
}

#[track_caller]
fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n\n{}\n", findings.join("\n"));
}
