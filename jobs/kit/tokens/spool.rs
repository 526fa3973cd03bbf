//! Where the answer of a token endpoint waits for the database: a sealed file, on the disk before anything else happens.
//!
//! A rotated token that is lost strands its owner, and the provider gives it once. So the order is: the answer comes;
//! its file is written under another name, fsynced, renamed, and the folder fsynced; the row is changed; the file goes.
//! A process that dies
//!
//! * before the answer came has lost nothing if the provider keeps the old token good; else only the provider knows it;
//! * between the answer and the rename has lost the answer: what is half written is never read, and is thrown away;
//! * between the rename and the commit left a file, which the next one to look at this grant finds, and puts into the row;
//! * after the commit left a file for a version that the row has no more, which is thrown away.
//!
//! The name of a file says for which version of which grant it is, so that whoever is about to use the old token looks
//! there first. A folder belongs to one machine: a daemon on another one does not see what waits here.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use chrono::{DateTime, Utc};
use liaison_store::{AccountId, KeyError, KeyRing, Tokens};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A file that is whole.
const WHOLE: &str = "token";
/// One that is being written.
const PART: &str = "part";
/// Nobody writes a few hundred bytes for so long.
const STALE: Duration = Duration::from_hours(1);

/// A folder for such files.
#[derive(Clone, Debug)]
pub struct Spool(PathBuf);

/// What a file holds, once it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) account: AccountId,
    /// Of the row from which the refresh began.
    pub(super) version: i32,
    pub(super) tokens: Tokens,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    account: AccountId,
    version: i32,
    access_token: String,
    refresh_token: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    scope: Option<String>,
}

/// A file that cannot be read.
#[derive(Debug)]
pub(super) enum SpoolFault {
    Disk(io::Error),
    /// No key of ours opens it: the operator may put one back.
    Locked(KeyError),
    /// It is no file of ours, or was damaged.
    Spoilt,
}

impl Spool {
    /// Make sure that the folder is there, and ours alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        Ok(Self(folder.to_owned()))
    }

    /// The same folder, which need not be there: where nothing is refreshed, nothing waits.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    fn path(&self, account: &AccountId, version: i32) -> PathBuf {
        // An id comes from outside, and is no name for a file.
        let digest = Sha256::digest(account.to_string());
        let name = BASE64URL.encode(&digest[..12]);
        self.0.join(format!("{name}-{version}.{WHOLE}"))
    }

    /// Put it where a crash cannot take it. When this returns, it is on the disk.
    pub(super) fn keep(&self, keys: &KeyRing, kept: &Kept) -> io::Result<PathBuf> {
        let Kept { account, version, tokens } = kept.clone();
        let path = self.path(&account, version);
        let Tokens { access_token, refresh_token, expires_at, scope } = tokens;
        let written = Written { account, version, access_token, refresh_token, expires_at, scope };
        let text = serde_json::to_vec(&written)?;
        let part = path.with_extension(PART);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&keys.seal(&identity(&path), &text))?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        self.sync()?;
        Ok(path)
    }

    /// What waits for this version of this grant.
    pub(super) fn find(&self, keys: &KeyRing, account: &AccountId, version: i32) -> Result<Option<Kept>, SpoolFault> {
        match Self::read(keys, &self.path(account, version)) {
            Err(SpoolFault::Disk(fault)) if fault.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    pub(super) fn read(keys: &KeyRing, path: &Path) -> Result<Kept, SpoolFault> {
        let sealed = fs::read(path).map_err(SpoolFault::Disk)?;
        let text = keys.open(&identity(path), &sealed).map_err(|fault| match fault {
            KeyError::Unknown { .. } => SpoolFault::Locked(fault),
            _ => SpoolFault::Spoilt,
        })?;
        let Written { account, version, access_token, refresh_token, expires_at, scope } =
            serde_json::from_slice(&text).map_err(|_| SpoolFault::Spoilt)?;
        Ok(Kept { account, version, tokens: Tokens { access_token, refresh_token, expires_at, scope } })
    }

    /// Its work is done, or it is of no use. Somebody else may have said so before.
    pub(super) fn remove(&self, account: &AccountId, version: i32) -> io::Result<()> {
        Self::unlink(&self.path(account, version))
    }

    pub(super) fn unlink(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(fault) if fault.kind() != ErrorKind::NotFound => Err(fault),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Every file that waits. What was being written when its process died is thrown away.
    pub(super) fn all(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(&self.0) {
            Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(WHOLE) => found.push(path),
                Some(PART) if is_stale(&path) => Self::unlink(&path)?,
                Some(_) | None => {}
            }
        }
        found.sort();
        Ok(found)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// What a file is sealed for: one that was given another name opens for nobody.
fn identity(path: &Path) -> String {
    format!("spool:{}", path.file_name().unwrap_or_default().to_string_lossy())
}

fn is_stale(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > STALE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_store::IntegrationKind;

    fn kept(version: i32) -> Kept {
        let tokens = Tokens {
            access_token: "a-secret".to_owned(),
            refresh_token: Some("r-secret".to_owned()),
            expires_at: DateTime::from_timestamp(1_795_000_000, 0),
            scope: None,
        };
        Kept { account: AccountId::new(IntegrationKind::Calendar, "../42"), version, tokens }
    }

    fn ring(id: &str) -> KeyRing {
        KeyRing::parse(&KeyRing::generate_line(id)).unwrap()
    }

    #[test]
    fn what_is_kept_is_found_for_its_own_version_only_and_only_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, keys) = (Spool::open(folder.path()).unwrap(), ring("one"));
        let path = spool.keep(&keys, &kept(3)).unwrap();
        assert_eq!(path.parent(), Some(folder.path()), "an id is no path");
        assert_eq!(spool.find(&keys, &kept(3).account, 3).unwrap(), Some(kept(3)));
        assert_eq!(spool.find(&keys, &kept(3).account, 4).unwrap(), None);
        assert!(matches!(spool.find(&ring("two"), &kept(3).account, 3), Err(SpoolFault::Locked(_))));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let bytes = fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("secret"));
        assert_eq!(spool.all().unwrap(), [path]);
        spool.remove(&kept(3).account, 3).unwrap();
        spool.remove(&kept(3).account, 3).unwrap();
        assert!(spool.all().unwrap().is_empty());
    }

    #[test]
    fn what_was_damaged_moved_or_never_finished_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, keys) = (Spool::open(folder.path()).unwrap(), ring("one"));
        let path = spool.keep(&keys, &kept(3)).unwrap();
        fs::rename(&path, spool.path(&kept(4).account, 4)).unwrap();
        assert!(matches!(spool.find(&keys, &kept(4).account, 4), Err(SpoolFault::Spoilt)), "moved");
        fs::write(&path, b"half").unwrap();
        assert!(matches!(spool.find(&keys, &kept(3).account, 3), Err(SpoolFault::Spoilt)), "damaged");
        fs::write(path.with_extension(PART), b"half").unwrap();
        assert_eq!(spool.all().unwrap().len(), 2, "what is being written is no file yet");
    }
}
