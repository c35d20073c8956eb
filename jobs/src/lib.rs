#![doc = include_str!("../README.md")]

pub mod admission;
pub mod counter_rng;
pub mod decimal;
#[cfg(test)]
mod fixtures;
pub mod gas;
pub mod recipe;
pub mod schedule;
pub mod search;
pub mod terms;
pub mod trace;
pub mod track;
pub mod trial;
pub mod weights;

pub use admission::RecipeError;
pub use decimal::Decimal;
pub use recipe::{Field, Optimizer, Recipe};
pub use track::Track;
