//! The daemon.

pub mod blobs;
pub mod net;
