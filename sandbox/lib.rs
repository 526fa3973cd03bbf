//! Stand-in providers for `liaison dev` and the tests.
