//! Files with secrets: whether others can read them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Check, Finding, Severity};
use crate::config::{Config, origin::Origin};

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut secrets: Vec<(&str, PathBuf)> = Vec::new();
    let named = [
        ("store.key_file", &config.store.key_file),
        ("redis.key_file", &config.redis.key_file),
        ("redis.sentinel_password_file", &config.redis.sentinel_password_file),
        ("traces.headers_file", &config.traces.headers_file),
        ("outbound.proxy_login_file", &config.outbound.proxy_login_file),
    ];
    secrets.extend(named.into_iter().filter_map(|(key, path)| Some((key, path.clone()?))));
    for (key, named_by) in [("redis.url", "redis.url_file"), ("store.url", "store.url_file")] {
        if let Origin::Content(path) = config.origin(key) {
            secrets.push((named_by, path));
        }
    }
    let mut findings: Vec<Finding> = secrets.iter().filter_map(|(key, path)| one(key, path)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(Check::FileModes, "the files of secrets", "readable by nobody else"));
    }
    findings
}

fn one(key: &str, path: &Path) -> Option<Finding> {
    let place = format!("{} ({key})", path.display());
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode(),
        Err(fault) => {
            let remedy = "correct the path, or run this as a user who may see it";
            let what = format!("cannot be looked at: {fault}");
            return Some(Finding::new(Check::FileModes, Severity::Warning, &place, what, remedy));
        }
    };
    // The last three bits are those of everybody.
    if mode % 8 == 0 {
        return None;
    }
    let what = format!("everybody on this machine may read or change it (mode {:o})", mode & 0o777);
    let remedy = format!("chmod o= {}; if others have access to the machine, change what it holds", path.display());
    Some(Finding::new(Check::FileModes, Severity::Error, &place, what, &remedy))
}
