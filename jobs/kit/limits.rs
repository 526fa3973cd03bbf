//! How a job obeys limits: it asks right before the call, and tells what the other side answered.

use liaison_queue::{JobId, Limit, LimitKey, Limiter, Permit, Said, outcome::Failure};

/// The limiter, for one run of one job.
#[derive(Debug, Clone)]
pub struct Limits {
    limiter: Limiter,
    id: JobId,
    token: String,
}

impl Limits {
    #[must_use]
    pub fn new(limiter: Limiter, id: JobId, token: String) -> Self {
        Self { limiter, id, token }
    }

    /// Pass under all of these rules, or come back later at no cost of an attempt. A place at once is held until the
    /// permit is dropped: `let _permit = ctx.limits.pass("google:user:42", &RULES).await?;`
    ///
    /// # Errors
    /// A snooze until the job's slot; fatal when the key or a rule can never be right.
    pub async fn pass(&self, key: &str, rules: &[Limit]) -> Result<Permit, Failure> {
        let key = LimitKey::parse(key).map_err(Failure::fatal)?;
        self.limiter.pass(&key, rules, &self.id, &self.token).await
    }

    /// Obey what the other side said of its limit, on every daemon.
    ///
    /// # Errors
    /// When the key can never be right.
    pub async fn told(&self, key: &str, said: Said) -> Result<(), Failure> {
        let key = LimitKey::parse(key).map_err(Failure::fatal)?;
        self.limiter.told(&key, said).await;
        Ok(())
    }
}
