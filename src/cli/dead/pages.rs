//! Which dead letters are meant: some by id, or all of them page by page, newest first.
//!
//! Letters that are buried while we go on are newer than where we are, so the walk ends however many there are.

use std::vec::IntoIter;

use anyhow::Result;
use liaison_store::{DeadCursor, DeadFilter, DeadLetter, Store};

use crate::cli::{answer, words};

/// Letters in memory at a time; small enough that an interrupted command has little under way.
const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Which {
    /// The ids of the jobs
    #[arg(required_unless_present = "all", value_name = "ID")]
    ids: Vec<String>,
    /// All dead letters
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// With --all: of jobs of this name only
    #[arg(long, value_name = "NAME", requires = "all")]
    job: Option<String>,
    /// With --all: do not ask
    #[arg(long, requires = "all")]
    yes: bool,
}

/// What is to be done with one letter.
pub(super) enum Item {
    Letter(DeadLetter),
    /// There is no letter of this id.
    Missing(String),
}

/// Where we are.
pub(super) enum Pages {
    Named(IntoIter<String>),
    All { name: Option<String>, after: Option<DeadCursor> },
}

impl Which {
    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    /// Begin; nothing when there is nothing to do, or a person changed their mind.
    pub(super) async fn begin(&self, store: &Store, verb: &str, json: bool) -> Result<Option<Pages>> {
        if !self.all {
            return Ok(Some(Pages::Named(self.ids.clone().into_iter())));
        }
        let count = store.count_dead_letters(self.job.clone()).await?;
        if count == 0 {
            answer::summary("no dead letters", json);
            return Ok(None);
        }
        if !self.yes && !answer::confirm(&format!("{verb} {}?", words::of(count, "dead letter")))? {
            answer::summary("nothing done", json);
            return Ok(None);
        }
        Ok(Some(Pages::All { name: self.job.clone(), after: None }))
    }
}

impl Pages {
    /// The next page; empty at the end.
    pub(super) async fn next(&mut self, store: &Store) -> Result<Vec<Item>> {
        match self {
            Self::Named(ids) => {
                let mut items = Vec::new();
                for id in ids.by_ref().take(PAGE as usize) {
                    items.push(store.dead_letter(&id).await?.map_or(Item::Missing(id), Item::Letter));
                }
                Ok(items)
            }
            Self::All { name, after } => {
                let filter =
                    DeadFilter { name: name.clone(), limit: PAGE, after: after.clone(), ..DeadFilter::default() };
                let letters = store.dead_letters(filter).await?;
                if let Some(last) = letters.last() {
                    *after = Some(last.cursor());
                }
                Ok(letters.into_iter().map(Item::Letter).collect())
            }
        }
    }
}
