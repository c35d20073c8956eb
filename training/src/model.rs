//! The decoder that a recipe describes, as functions of burn tensors.
//!
//! Nothing here draws weights or updates them; [`crate::step`] does.

pub mod attention;
pub mod gpt;
pub mod mlp;
pub mod norm;
pub mod rotary;
