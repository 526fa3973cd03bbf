//! Which jobs a process runs: the rest of us, or those that were there when a process died.
//!
//! Nobody can say which job killed a process. So all that were present run in a process of their own next time, and if
//! that dies too, each runs alone. Only deaths while alone count, so the one that kills is found, and no neighbour pays.

use crate::state::closed_set;

closed_set! {
    /// What a process runs.
    #[derive(Default)]
    Isolation {
        /// Everything but suspects: a daemon.
        #[default]
        None => "none",
        /// Suspects, together.
        Apart => "apart",
        /// Suspects whose company has died, one at a time and nothing beside it.
        Alone => "alone",
    }
}

impl Isolation {
    /// How the claim script is asked.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Apart => "apart",
            Self::Alone => "alone",
        }
    }

    /// What marks the tokens of such claims, and the due time of a suspect that is not cleared yet.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Apart => "g",
            Self::Alone => "h",
        }
    }
}

/// How many suspects wait in a queue, for whoever can give them a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Suspects {
    pub apart: u64,
    pub alone: u64,
}

/// The suspects of all parts of a queue, for whoever starts processes for them.
#[cfg(feature = "worker")]
#[derive(Debug)]
pub(crate) struct SuspectWatch {
    parts: std::sync::Mutex<Vec<Suspects>>,
    all: tokio::sync::watch::Sender<Suspects>,
}

#[cfg(feature = "worker")]
impl SuspectWatch {
    pub(crate) fn over(parts: u32) -> (std::sync::Arc<Self>, tokio::sync::watch::Receiver<Suspects>) {
        let (all, watch) = tokio::sync::watch::channel(Suspects::default());
        let parts = std::sync::Mutex::new(vec![Suspects::default(); parts as usize]);
        (std::sync::Arc::new(Self { parts, all }), watch)
    }

    /// So many wait in this part.
    pub(crate) fn know(&self, part: u32, suspects: Suspects) {
        let mut parts = self.parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = parts.get_mut(part as usize) {
            *known = suspects;
        }
        let sum = parts.iter().fold(Suspects::default(), |sum, part| Suspects {
            apart: sum.apart + part.apart,
            alone: sum.alone + part.alone,
        });
        self.all.send_if_modified(|known| std::mem::replace(known, sum) != sum);
    }
}
