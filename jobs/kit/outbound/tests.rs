//! The dialer on real sockets.
