//! The key file, changed whole or not at all: a new one is written beside it, synced, and takes its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use liaison_store::KeyRing;

use crate::app::App;

/// Where a new key goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It seals.
    Top,
    /// It opens.
    Below,
}

pub(super) struct KeyFile {
    path: PathBuf,
    text: String,
}

impl KeyFile {
    pub(super) fn of(app: &App) -> Result<Self> {
        let Some(path) = &app.config.store.key_file else {
            bail!("store.key_file is not set: make a key with `liaison keys generate > FILE`, and set it");
        };
        let named = || format!("read the key file {} (store.key_file)", path.display());
        // The file itself, and not a link to it, is what takes another content.
        let path = fs::canonicalize(path).with_context(named)?;
        let file = Self { text: fs::read_to_string(&path).with_context(named)?, path };
        KeyRing::parse(&file.text).with_context(|| format!("read the key file {}", file.path()))?;
        Ok(file)
    }

    pub(super) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// The first seals.
    pub(super) fn ids(&self) -> Vec<String> {
        KeyRing::parse(&self.text).map(|ring| ring.ids()).unwrap_or_default()
    }

    pub(super) fn add(&mut self, id: &str, place: Place) -> Result<()> {
        if self.ids().iter().any(|known| known == id) {
            bail!("{} holds a key {id} already; an id names one key for ever, give the new one another", self.path());
        }
        self.replace(&with(&self.text, &KeyRing::generate_line(id), place))
    }

    pub(super) fn promote(&mut self, id: &str) -> Result<()> {
        let Some((line, rest)) = without(&self.text, id) else {
            bail!("{} holds no key {id}; it holds {}", self.path(), self.ids().join(", "));
        };
        self.replace(&with(&rest, &line, Place::Top))
    }

    fn replace(&mut self, text: &str) -> Result<()> {
        KeyRing::parse(text).context("what would be written is no key file, which is a bug; nothing was changed")?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = self.path.with_file_name(format!(".{name}.new"));
        let written = write(&self.path, &beside, text);
        if let Err(fault) = written {
            if fault.kind() == io::ErrorKind::AlreadyExists {
                bail!("{} is there: somebody else changes the keys; if not, delete it", beside.display());
            }
            // Left behind, it would keep the next one from its work; and it holds keys.
            let _ = fs::remove_file(&beside);
            let what = "is it a copy that systemd made? Then name the original: --config, or LIAISON_STORE__KEY_FILE";
            return Err(fault).with_context(|| format!("change the key file {}; {what}", self.path()));
        }
        text.clone_into(&mut self.text);
        Ok(())
    }
}

fn write(path: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let now = fs::metadata(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    if (now.uid(), now.gid()) != (file.metadata()?.uid(), file.metadata()?.gid()) {
        fchown(&file, Some(now.uid()), Some(now.gid()))?;
    }
    // Whoever could read it may go on; nobody else begins to.
    file.set_permissions(fs::Permissions::from_mode(0o600 | now.mode() & 0o040))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Whether a line of the file holds a key, and which.
fn id_of(line: &str) -> Option<&str> {
    let written = line.split('#').next().unwrap_or_default().trim();
    written.split_once(':').map(|(id, _)| id)
}

/// The text with one more key.
fn with(text: &str, line: &str, place: Place) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    // Comments on top stay on top.
    let first = lines.iter().position(|line| id_of(line).is_some()).unwrap_or(lines.len());
    let at = if place == Place::Top { first } else { (first + 1).min(lines.len()) };
    lines.insert(at, line);
    lines.join("\n") + "\n"
}

/// The line of a key, and the text without it.
fn without(text: &str, id: &str) -> Option<(String, String)> {
    let mut lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| id_of(line) == Some(id))?;
    let line = lines.remove(at).to_owned();
    Some((line, lines.join("\n") + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_on_top_or_below_the_first_and_comments_stay() {
        let text = "# ours\n\nold:b2xk\nolder:b2xkZXI= # from 2025\n";
        assert_eq!(with(text, "new:bmV3", Place::Top), "# ours\n\nnew:bmV3\nold:b2xk\nolder:b2xkZXI= # from 2025\n");
        assert_eq!(with(text, "new:bmV3", Place::Below), "# ours\n\nold:b2xk\nnew:bmV3\nolder:b2xkZXI= # from 2025\n");
        let (line, rest) = without(text, "older").unwrap();
        assert_eq!((line.as_str(), rest.as_str()), ("older:b2xkZXI= # from 2025", "# ours\n\nold:b2xk\n"));
        assert!(without(text, "ours").is_none());
    }
}
