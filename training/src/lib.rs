#![doc = include_str!("../README.md")]

pub mod bpb;
pub mod conformance;
pub mod corpus;
pub mod device;
pub mod export;
pub mod model;
pub mod optimizer;
pub mod segment;
pub mod state;
pub mod step;
pub mod trial;
pub mod worker;
