//! WHAT HAPPENED and what we know: runs and dead letters, kept through Diesel.
