#![doc = include_str!("../README.md")]

pub mod api;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod sign;
pub mod wire;
