//! What only shows when the values of a configuration are used, without asking anybody: still mistakes of the
//! configuration, and reported with all the others.

use std::path::Path;

use liaison_jobs::outbound::Unfit;

use crate::{
    app::App,
    config::{Config, mistake::Mistake, schedule},
    traces::Destination,
};

/// All such mistakes. What is not configured is no mistake.
pub(crate) fn mistakes(config: &Config) -> Vec<Mistake> {
    let mut found = files(config);
    // An address, its certificates and the password of the sentinels are read together; a file that is not there was
    // named above, with its own key.
    if let Err(fault) = App::new(config.clone())
        && found.is_empty()
    {
        let remedy = "correct [redis], as `docs/configuration.md` describes it";
        found.push(mistake(config, "redis.url", format!("{fault:#}"), "an address and the files of its TLS", remedy));
    }
    if let Err(fault) = App::database_of(config) {
        let allowed = "sqlite:PATH or postgres://HOST/DATABASE";
        found.push(mistake(config, "store.url", format!("{fault:#}"), allowed, "correct the address"));
    }
    // A file that is not there was named above.
    if let Err(unfit) = Destination::of(&config.traces)
        && found.iter().all(|known| known.key != format!("traces.{}", unfit.key))
    {
        let key = format!("traces.{}", unfit.key);
        found.push(mistake(config, &key, unfit.problem, "a collector and the files for it", unfit.remedy));
    }
    if let Err(fault) = App::outbound_of(config)
        && found.iter().all(|known| !known.key.starts_with("outbound."))
    {
        let key = fault.downcast_ref::<Unfit>().map_or("ca_file", |unfit| unfit.key);
        let remedy = "correct the file, as `docs/configuration.md` describes it";
        let allowed = "a proxy and the files for the way out";
        found.push(mistake(config, &format!("outbound.{key}"), format!("{fault:#}"), allowed, remedy));
    }
    found.extend(schedule::mistakes(config));
    found
}

/// Every file that a key names: that it can be read, and holds what it should.
fn files(config: &Config) -> Vec<Mistake> {
    let redis = &config.redis;
    let named = [
        ("redis.ca_file", &redis.ca_file),
        ("redis.cert_file", &redis.cert_file),
        ("redis.key_file", &redis.key_file),
        ("redis.sentinel_password_file", &redis.sentinel_password_file),
        ("store.key_file", &config.store.key_file),
        ("traces.ca_file", &config.traces.ca_file),
        ("traces.headers_file", &config.traces.headers_file),
        ("outbound.ca_file", &config.outbound.ca_file),
        ("outbound.proxy_login_file", &config.outbound.proxy_login_file),
    ];
    let named = named.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?)));
    named.filter_map(|(key, path)| file(config, key, path)).collect()
}

fn file(config: &Config, key: &str, path: &Path) -> Option<Mistake> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(fault) => {
            let problem = format!("{} cannot be read: {fault}", path.display());
            let remedy = "correct the path, or give the daemon's user the right to read the file";
            return Some(mistake(config, key, problem, "a file that the daemon can read", remedy));
        }
    };
    if key != "store.key_file" {
        return None;
    }
    let fault = liaison_store::KeyRing::parse(&text).err()?;
    let problem = format!("{}: {fault}", path.display());
    Some(mistake(config, key, problem, "lines of `ID:BASE64`", "make a key with `liaison keys generate`"))
}

fn mistake(config: &Config, key: &str, problem: String, allowed: &str, remedy: &str) -> Mistake {
    let origin = config.origin(key);
    Mistake { key: key.to_owned(), origin, problem, allowed: allowed.to_owned(), remedy: remedy.to_owned() }
}
