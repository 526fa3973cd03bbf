//! An address that is written as `url`, or kept in the file that `url_file` names (a systemd credential, say).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::file::read_text;
use super::key::{Key, MAX_TEXT, Setting, Value};
use super::origin::Origin;
use super::raw::Written;
use super::reader::Section;
use super::url::Url;

/// Read `url` and `url_file`: only one of them in a layer, and the stronger layer wins.
///
/// A password in a flag is refused, because everybody on the machine can read the arguments of a process.
pub(super) fn read_url<T: Setting + AsRef<Url>>(from: &mut Section<'_>, key: Key<T>) -> T {
    settle(from);
    from.remember(&key);
    let file = from.optional::<PathBuf>(Key::new(
        "url_file",
        "A file whose content is the `url`, such as a systemd credential. Instead of `url`, never beside it.",
    ));
    if let Some(path) = file {
        take_content(from, path);
        from.hide("url_file");
    }
    let url = from.value(key);
    judge_password(from, url.as_ref());
    url
}

/// Drop the weaker of the two.
fn settle(from: &mut Section<'_>) {
    let (Some(url), Some(file)) = (from.origin("url"), from.origin("url_file")) else { return };
    if url.strength() == file.strength() {
        let key = from.place("url_file").to_string();
        let (allowed, remedy) = ("url or url_file", "take one of the two out");
        from.raw().mistake(key, file.clone(), format!("stands beside url ({url})"), allowed, remedy);
    }
    let weaker = from.place(if url.strength() > file.strength() { "url_file" } else { "url" });
    from.raw().values.remove(&weaker);
}

fn take_content(from: &mut Section<'_>, path: PathBuf) {
    let place = from.place("url");
    match read_text(&path, MAX_TEXT) {
        Ok(text) => {
            let value = Value::Word(text.trim().to_owned());
            from.raw().values.insert(place, Written { value, origin: Origin::Content(path) });
        }
        Err(problem) => {
            let (key, origin) =
                (from.place("url_file").to_string(), from.origin("url_file").unwrap_or(Origin::Default));
            let problem = format!("names {}, which {problem}", path.display());
            from.raw().mistake(
                key,
                origin,
                problem,
                "a readable file that holds one URL",
                "correct the path or its mode",
            );
        }
    }
}

fn judge_password(from: &mut Section<'_>, url: &Url) {
    let Some(origin) = from.origin("url").filter(|_| url.has_password()) else { return };
    let place = from.place("url");
    if let Origin::Flag(_) = origin {
        let remedy = format!(
            "put the URL into {}, into `url` of [{}] in a file of mode 0600, or into a file that `url_file` names",
            place.environment(),
            place.section
        );
        let problem = "holds a password, and everybody on this machine can read a command line";
        from.raw().mistake(place.to_string(), origin, problem, "a URL without a password", remedy);
    } else if origin.path().is_some_and(others_can_read) {
        let text = "holds a password, and everybody on this machine can read the file: chmod 0600 it, or 0640";
        from.raw().warn(place.to_string(), origin, text);
    }
}

fn others_can_read(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    use super::*;

    fn sources(environment: &[(&str, &str)]) -> Sources {
        let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Sources { environment: owned.collect(), ..Sources::default() }
    }

    #[test]
    fn a_credential_file_holds_the_url() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "  redis://:pw@h\n").unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let path = file.path().to_str().unwrap();
        let loaded = load(&sources(&[("LIAISON_REDIS__URL_FILE", path)])).unwrap();
        assert_eq!(loaded.config.redis.url.expose(), "redis://:pw@h");
        assert_eq!(loaded.warnings, []);
        assert!(loaded.config.print().contains(&format!("url = \"redis://:[redacted]@h\"  # content of {path}")));

        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        let loaded = load(&sources(&[("LIAISON_REDIS__URL_FILE", path)])).unwrap();
        assert!(loaded.warnings[0].to_string().contains("chmod"));
    }

    #[test]
    fn url_and_url_file_of_one_layer_exclude_each_other() {
        let error =
            load(&sources(&[("LIAISON_REDIS__URL_FILE", "/a"), ("LIAISON_REDIS_URL", "redis://h")])).unwrap_err();
        assert!(error.to_string().contains("stands beside url (environment LIAISON_REDIS_URL)"), "{error}");
    }

    #[test]
    fn a_missing_credential_is_named() {
        let error = load(&sources(&[("LIAISON_STORE__URL_FILE", "/nowhere/url")])).unwrap_err();
        assert!(error.to_string().contains("store.url_file (environment LIAISON_STORE__URL_FILE): names /nowhere/url"));
    }
}
