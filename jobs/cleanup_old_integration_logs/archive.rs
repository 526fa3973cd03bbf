//! Rows on their way out: gzip, one JSON object a line, in files that only the daemon's user reads.
//!
//! A file is written under a name of its own that ends in `.part`, synced, and renamed; only then are its rows deleted.
//! One that died half-way leaves the `.part`, which is taken away a day later, and its rows, which are exported again.
//! One that died after the renaming has its rows exported again too: an archive may hold a row twice and never lacks
//! one. Sealed values are exported as they are stored: whoever has the keys can open them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use flate2::{Compression, write::GzEncoder};
use liaison_queue::outcome::Failure;
use liaison_store::{Class, Expired};
use serde::Serialize;

/// A file is full with so many rows, or so many bytes before they are compressed.
const FULL_ROWS: usize = 50_000;
const FULL_BYTES: u64 = 64 * 1024 * 1024;
/// Nobody writes one file for that long.
const LEFT_BEHIND: Duration = Duration::from_hours(24);

/// A file that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    pub file: String,
    pub rows: u64,
    /// Of the rows, before they were compressed.
    pub bytes: u64,
}

/// Where files go, and what they are called.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    folder: PathBuf,
    stamp: String,
}

/// A file that is being written.
pub(super) struct Volume {
    part: PathBuf,
    whole: PathBuf,
    to: GzEncoder<BufWriter<File>>,
    bytes: u64,
    /// The rows in it, without their text.
    pub(super) keys: Vec<Expired>,
}

impl Archive {
    /// Look at the folder, and clear away what others left half done in it.
    pub(super) async fn open(folder: PathBuf, name: &str, now: DateTime<Utc>) -> Result<Self, Failure> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
        let name: String = name.chars().map(plain).collect();
        let archive = Self { stamp: format!("{}-{name}", now.format("%Y%m%dT%H%M%SZ")), folder };
        let (folder, at) = (archive.folder.clone(), SystemTime::from(now));
        within(&archive.folder, move || clear(&folder, at)).await?;
        Ok(archive)
    }

    /// Begin a file. The number is the first that is free, so nothing is ever written over.
    pub(super) async fn begin(&self, class: Class) -> Result<Volume, Failure> {
        let archive = self.clone();
        within(&self.folder, move || {
            for number in 1.. {
                let name = format!("{}-{}-{number:04}.jsonl.gz", class.as_str(), archive.stamp);
                let (whole, part) = (archive.folder.join(&name), archive.folder.join(format!("{name}.part")));
                if whole.exists() {
                    continue;
                }
                match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part) {
                    Ok(file) => {
                        let to = GzEncoder::new(BufWriter::new(file), Compression::default());
                        return Ok(Volume { part, whole, to, bytes: 0, keys: Vec::new() });
                    }
                    Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(fault) => return Err(fault),
                }
            }
            unreachable!("there are more numbers than files")
        })
        .await
    }
}

impl Volume {
    /// Put rows into it.
    pub(super) async fn write(mut self, rows: Vec<Expired>) -> Result<Self, Failure> {
        let place = self.part.clone();
        within(&place, move || {
            for Expired { key, row } in rows {
                let row = row.unwrap_or_default();
                self.to.write_all(row.as_bytes())?;
                self.to.write_all(b"\n")?;
                self.bytes += row.len() as u64 + 1;
                self.keys.push(Expired { key, row: None });
            }
            Ok(self)
        })
        .await
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    /// On the disk, under its name: from here on its rows may go.
    pub(super) async fn close(self) -> Result<(Exported, Vec<Expired>), Failure> {
        let place = self.part.clone();
        within(&place, move || {
            let Self { part, whole, to, bytes, keys } = self;
            let file = to.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&part, &whole)?;
            File::open(whole.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            let exported = Exported { file: whole.display().to_string(), rows: keys.len() as u64, bytes };
            Ok((exported, keys))
        })
        .await
    }
}

fn clear(folder: &Path, now: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_part = entry.file_name().to_string_lossy().ends_with(".jsonl.gz.part");
        let age = entry.metadata()?.modified().map(|at| now.duration_since(at).unwrap_or_default())?;
        if is_part && age > LEFT_BEHIND {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What a disk may make wait, where it makes nobody else wait.
async fn within<T: Send + 'static>(
    place: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|_| Failure::retry("a bug made the export panic; the log has the place"))?;
    done.map_err(|fault| {
        let place = place.display();
        Failure::retry(format!(
            "cannot export to {place}: {fault}; nothing is deleted before it is exported (retention.export_folder)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_half_done_is_cleared_away_a_day_later() {
        let folder = std::env::temp_dir().join(format!("liaison-archive-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["a.jsonl.gz", "a.jsonl.gz.part", "other.part"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let made = fs::metadata(folder.join("a.jsonl.gz.part")).unwrap().modified().unwrap();
        clear(&folder, made + Duration::from_hours(23)).unwrap();
        assert!(folder.join("a.jsonl.gz.part").exists());
        clear(&folder, made + Duration::from_hours(25)).unwrap();
        assert!(!folder.join("a.jsonl.gz.part").exists());
        assert!(folder.join("a.jsonl.gz").exists() && folder.join("other.part").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
