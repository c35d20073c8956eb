//! The network and the blob endpoint over real sockets on the loopback interface.
//!
//! Time inside libp2p cannot be virtual, so that these tests wait for events with
//! a deadline and never sleep.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blobs;
mod network;
mod stranger;
mod support;
