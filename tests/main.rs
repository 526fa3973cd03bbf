//! The promises, by behaviour.
