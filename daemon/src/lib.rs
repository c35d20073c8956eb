//! placeholder

pub mod config;
pub mod dirs;
pub mod identity;
pub mod logging;
pub mod store;
pub mod worker;
