#![doc = include_str!("../README.md")]

pub mod api;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod dirs;
pub mod exit;
pub mod identity;
pub mod logging;
pub mod net;
pub mod node;
pub mod runtime;
pub mod store;
pub mod try_swarm;
pub mod worker;
