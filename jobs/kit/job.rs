//! A job is a payload that can run. The catalogue holds one entry for each.

use std::{future::Future, pin::Pin, time::Duration};

use liaison_queue::{
    outcome::{Failure, Outcome, RunOutcome},
    retry::Retry,
};
use serde::de::DeserializeOwned;

use super::Context;

/// One kind of work. The type is the payload; unknown fields of it are ignored.
pub(crate) trait Job: DeserializeOwned + Send + 'static {
    /// On the wire for ever.
    const NAME: &'static str;
    /// Names it had before.
    const ALIASES: &'static [&'static str] = &[];
    /// One line for people.
    const ABOUT: &'static str;
    const TIMEOUT: Duration;
    const RETRY: Retry;
    /// How many of it may run at once, over all daemons.
    const CONCURRENCY: Option<u32> = None;
    /// What `liaison dev` sends to show it.
    const SAMPLE: Option<Sample>;
    /// In which lane that waits, for jobs that have to be in one.
    const SAMPLE_LANE: Option<&'static str> = None;

    fn run(self, ctx: &Context) -> impl Future<Output = Outcome> + Send;
}

/// Arguments to try a job with, and how that should end.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub args: &'static str,
    pub ends: RunOutcome,
}

type Run = fn(String, Context) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A job without its type.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub about: &'static str,
    pub diagnostic: bool,
    pub timeout: Duration,
    pub retry: Retry,
    pub concurrency: Option<u32>,
    pub sample: Option<Sample>,
    pub sample_lane: Option<&'static str>,
    /// Whether these arguments (JSON) fit the job; if not, which field is wrong and how.
    pub check: fn(&str) -> Result<(), String>,
    /// Run it with these arguments (JSON).
    pub run: Run,
}

impl Entry {
    pub(crate) const fn of<J: Job>() -> Self {
        Self {
            name: J::NAME,
            aliases: J::ALIASES,
            about: J::ABOUT,
            diagnostic: false,
            timeout: J::TIMEOUT,
            retry: J::RETRY,
            concurrency: J::CONCURRENCY,
            sample: J::SAMPLE,
            sample_lane: J::SAMPLE_LANE,
            check: |args| parse::<J>(args).map(drop),
            run: |args, ctx| {
                Box::pin(async move {
                    match parse::<J>(&args) {
                        Ok(job) => job.run(&ctx).await,
                        // The same arguments would be as wrong the next time.
                        Err(reason) => Err(Failure::fatal(reason)),
                    }
                })
            },
        }
    }

    /// For trying the engine, not for work: off unless it is asked for.
    pub(crate) const fn diagnostic(mut self) -> Self {
        self.diagnostic = true;
        self
    }
}

fn parse<J: Job>(args: &str) -> Result<J, String> {
    let mut json = serde_json::Deserializer::from_str(args);
    serde_path_to_error::deserialize(&mut json).map_err(|fault| {
        let path = fault.path().to_string();
        let field = if path == "." { "args".to_owned() } else { format!("args.{path}") };
        format!("{field}: {}; see what `{}` takes", without_value(&fault.into_inner().to_string()), J::NAME)
    })
}

/// What serde says, without the value that it quotes, which may be a secret and may be long, and without where in the
/// text it stood, which nobody sees.
fn without_value(said: &str) -> String {
    let said = said.rfind(" at line ").map_or(said, |at| &said[..at]);
    let quotes_a_value = ["invalid type: ", "invalid value: ", "unknown variant "];
    let (true, Some(start), Some(end)) = (
        quotes_a_value.iter().any(|opening| said.starts_with(opening)),
        said.find(['"', '`']),
        said.rfind(", expected"),
    ) else {
        return said.to_owned();
    };
    format!("{}{}", said[..start.min(end)].trim_end(), &said[end..])
}

#[cfg(test)]
mod tests {
    use super::without_value;

    #[test]
    fn what_was_wrong_is_said_without_the_value() {
        for (said, told) in [
            (
                r#"invalid type: string "hunter2, expected", expected u32 at line 1 column 3"#,
                "invalid type: string, expected u32",
            ),
            ("invalid type: integer `5`, expected a string", "invalid type: integer, expected a string"),
            ("invalid type: map, expected u32", "invalid type: map, expected u32"),
            ("unknown variant `hunter2`, expected `a` or `b`", "unknown variant, expected `a` or `b`"),
            ("missing field `ms` at line 1 column 2", "missing field `ms`"),
        ] {
            assert_eq!(without_value(said), told);
        }
    }
}
