//! What a running job knows of itself.

use liaison_queue::JobId;

#[derive(Debug, Clone)]
pub struct Context {
    /// The same over all attempts: what makes a second run of the same job recognisable.
    pub id: JobId,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
}
