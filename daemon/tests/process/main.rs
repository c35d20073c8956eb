//! The built `swarmd` as a user meets it: real processes, real sockets, real files.
//!
//! Everything waits for what it can see, with a deadline. What takes two cores is run one
//! at a time. Nothing here looks inside the daemon: only exit codes, output, files, and
//! what `swarmctl` says.

#![expect(clippy::unwrap_used, reason = "what fails here is the test")]

mod crash;
mod damage;
mod nodes;
mod show;
mod start;
mod work;
