//! WHAT we do: one file per job.
