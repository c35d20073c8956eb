//! The generated wire messages, one module per `.proto` file; no logic.
//!
//! Fields are documented in the `.proto` files and in the crate's README.

#![expect(missing_docs, clippy::all, reason = "generated from the documented .proto files")]

/// Messages of `receipt.proto`: receipts and everything else the ledger signs.
pub mod receipt {
    include!(concat!(env!("OUT_DIR"), "/swarm.receipt.rs"));
}

/// Messages of `gossip.proto`: what is flooded.
pub mod gossip {
    include!(concat!(env!("OUT_DIR"), "/swarm.gossip.rs"));
}

/// Messages of `sync.proto`: requests between two peers and their answers.
pub mod sync {
    include!(concat!(env!("OUT_DIR"), "/swarm.sync.rs"));
}

/// Messages of `work.proto`: recipes and tracks in canonical bytes.
pub mod work {
    include!(concat!(env!("OUT_DIR"), "/swarm.work.rs"));
}

/// Messages of `blob.proto`: the blob protocol.
pub mod blob {
    include!(concat!(env!("OUT_DIR"), "/swarm.blob.rs"));
}

/// Messages of `worker.proto`: between the daemon and its worker child.
pub mod worker {
    include!(concat!(env!("OUT_DIR"), "/swarm.worker.rs"));
}

/// Messages of `journal.proto`: what a node remembers besides the ledger.
pub mod journal {
    include!(concat!(env!("OUT_DIR"), "/swarm.journal.rs"));
}
