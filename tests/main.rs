//! The promises, by behaviour.

mod tidy;
