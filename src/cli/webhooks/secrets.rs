//! Secrets of endpoints: read from standard input or a file, or made here; shown once. `liaison webhooks rotate-secret`.

use std::{
    io::{Read as _, stdin},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use liaison_jobs::{Secret, signature};
use liaison_queue::clock::Clock;
use serde_json::json;

use crate::{
    app::App,
    cli::{answer, answer::Usage, typed, words},
};

/// Long enough for any key, short enough for a file that was named by mistake.
const MAX_SECRET: u64 = 4096;
/// Longer than it takes to change a receiver.
const MAX_GRACE: Duration = Duration::from_hours(90 * 24);

#[derive(clap::Args)]
#[group(skip)]
pub(super) struct SecretSource {
    /// Read its secret from standard input [default: a new one is made]
    #[arg(long, conflicts_with_all = ["secret_file", "no_secret"])]
    secret_stdin: bool,
    /// Read its secret from a file
    #[arg(long, value_name = "FILE", conflicts_with = "no_secret")]
    secret_file: Option<PathBuf>,
    /// Do not sign
    #[arg(long)]
    no_secret: bool,
}

/// A secret, and whether it was made here and has to be shown.
pub(super) struct Chosen {
    pub(super) secret: Option<Secret>,
    pub(super) is_new: bool,
}

impl SecretSource {
    pub(super) fn read(&self) -> Result<Chosen> {
        if self.no_secret {
            return Ok(Chosen { secret: None, is_new: false });
        }
        let mut text = String::new();
        let place = if let Some(path) = &self.secret_file {
            let file = std::fs::File::open(path).with_context(|| format!("read {}", path.display()))?;
            file.take(MAX_SECRET + 1).read_to_string(&mut text).with_context(|| format!("read {}", path.display()))?;
            path.display().to_string()
        } else if self.secret_stdin {
            stdin().take(MAX_SECRET + 1).read_to_string(&mut text).context("read standard input")?;
            "standard input".to_owned()
        } else {
            return Ok(Chosen { secret: Some(signature::generate()?), is_new: true });
        };
        if text.len() as u64 > MAX_SECRET {
            return Err(Usage(format!("{place}: longer than the {MAX_SECRET} bytes that a secret may have")).into());
        }
        let secret = Secret::new(text.trim());
        // What cannot sign is found out now, and not with the first delivery.
        signature::standard(std::slice::from_ref(&secret), "check", 0, b"")
            .map_err(|fault| Usage(format!("{place}: {fault}")))?;
        Ok(Chosen { secret: Some(secret), is_new: false })
    }
}

impl Chosen {
    /// Show a secret that nobody else knows yet.
    pub(super) fn show(&self, id: &str, as_json: bool) {
        let shown = self.secret.as_ref().filter(|_| self.is_new);
        if as_json {
            let mut value = json!({"id": id});
            if let Some(secret) = shown {
                value["secret"] = secret.expose().into();
            }
            return answer::json(&value);
        }
        answer::line(id);
        if let Some(secret) = shown {
            answer::line(secret.expose());
            answer::note("That is its secret, for the receiver. It is kept sealed and is not shown again.");
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct RotateArgs {
    /// The id of the endpoint
    id: String,
    #[command(flatten)]
    source: SecretSource,
    /// How long the old secret signs as well, up to 90d; 0s for not at all
    #[arg(long, value_name = "DURATION", value_parser = typed::duration, default_value = "1d")]
    grace: Duration,
}

pub(super) async fn run(app: &App, args: &RotateArgs, json: bool) -> Result<ExitCode> {
    if args.grace > MAX_GRACE {
        return Err(Usage("--grace: more than 90d; rotate once the receiver has the new one".to_owned()).into());
    }
    let store = app.store_with_keys().await?;
    let endpoint = super::find(&store, &args.id).await?;
    let chosen = args.source.read()?;
    let now = Clock::wall().date();
    let until = (!args.grace.is_zero()).then(|| now + args.grace);
    let text = chosen.secret.as_ref().map(|secret| secret.expose().to_owned());
    store.rotate_endpoint_secret(&args.id, text, until, now).await?;
    super::log(&store, &endpoint, "webhook_secret_rotated", format!("endpoint {} has a new secret", args.id)).await?;
    chosen.show(&args.id, json);
    if let (Some(until), true) = (until, endpoint.has_secret) {
        answer::note(&format!("The old secret signs as well until {}.", words::date(until)));
    }
    Ok(ExitCode::SUCCESS)
}
