//! The daemon of swarmd.

pub mod api;
pub mod blobs;
pub mod config;
pub mod dirs;
pub mod identity;
pub mod logging;
pub mod net;
pub mod node;
pub mod runtime;
pub mod store;
pub mod worker;
