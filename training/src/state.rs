//! A training state in canonical bytes: all that a run needs to go on.
//!
//! `"swarm state v1\0\0" ‖ recipe id ‖ step u64 ‖ n u64 ‖ weights ‖ first moments ‖ second
//! moments`, integers and 32-bit floats little-endian, each of the three rows n floats: the
//! matrices of [`jobs::Recipe::weights`] one after another, each row by row. Random numbers are
//! counted by step, so no generator has a position of its own.

use jobs::Recipe;
use proto::ids::{BlobHash, RecipeId};

const MAGIC: &[u8; 16] = b"swarm state v1\0\0";

/// Bytes before the floats.
pub const HEADER_BYTES: usize = 64;

/// Weights, moments and the number of updates they have had.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Updates so far.
    pub step: u64,
    /// All weights, matrix after matrix.
    pub weights: Vec<f32>,
    /// AdamW's first moments in the same order.
    pub first: Vec<f32>,
    /// AdamW's second moments in the same order.
    pub second: Vec<f32>,
}

/// Bytes that are no state of the recipe, in the order in which they are found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Too short, too long or torn.
    #[error("the state has {found} bytes, {expected} are expected")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes of a state of this recipe.
        expected: usize,
    },
    /// Not a state at all, or of another version.
    #[error("the bytes do not begin as a state does")]
    Magic,
    /// The state of another recipe.
    #[error("the state belongs to recipe {}", found.short())]
    Recipe {
        /// The recipe it names.
        found: RecipeId,
    },
    /// Another number of weights than the recipe has.
    #[error("the state counts {found} weights, {expected} are expected")]
    Weights {
        /// The number it names.
        found: u64,
        /// The recipe's.
        expected: u64,
    },
    /// A number that training cannot produce without ending.
    #[error("number {index} of the state is not finite")]
    NotFinite {
        /// Its position among all floats.
        index: usize,
    },
    /// A mean of squares below zero.
    #[error("second moment {index} of the state is negative")]
    NegativeMoment {
        /// Its position among the second moments.
        index: usize,
    },
}

impl State {
    /// The state before the first step: drawn weights, empty moments.
    pub fn initial(recipe: &Recipe, seed: &[u8; 32]) -> Self {
        let weights: Vec<f32> = recipe.weights().iter().flat_map(|weight| weight.initial(seed)).collect();
        let zeros = vec![0.0; weights.len()];
        Self { step: 0, weights, first: zeros.clone(), second: zeros }
    }

    /// The canonical bytes.
    pub fn to_bytes(&self, recipe: &Recipe) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(bytes_of(recipe));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(recipe.id().as_bytes());
        bytes.extend_from_slice(&self.step.to_le_bytes());
        bytes.extend_from_slice(&(self.weights.len() as u64).to_le_bytes());
        for row in [&self.weights, &self.first, &self.second] {
            bytes.extend(row.iter().flat_map(|element| element.to_le_bytes()));
        }
        bytes
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// As the variants of [`StateError`] say. Whether the step is the expected one is for the
    /// caller to compare.
    pub fn from_bytes(bytes: &[u8], recipe: &Recipe) -> Result<Self, StateError> {
        let expected = bytes_of(recipe);
        if bytes.len() != expected {
            return Err(StateError::Length { found: bytes.len(), expected });
        }
        let (header, floats) = bytes.split_at(HEADER_BYTES);
        if &header[..16] != MAGIC {
            return Err(StateError::Magic);
        }
        let mut id = [0; 32];
        id.copy_from_slice(&header[16..48]);
        if RecipeId::new(id) != recipe.id() {
            return Err(StateError::Recipe { found: RecipeId::new(id) });
        }
        let integer = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&header[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (step, found, expected) = (integer(48), integer(56), recipe.parameters());
        if found != expected {
            return Err(StateError::Weights { found, expected });
        }
        let mut rows = floats.chunks_exact(floats.len() / 3).map(|row| {
            row.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<f32>>()
        });
        let mut next = || rows.next().unwrap_or_default();
        let state = Self { step, weights: next(), first: next(), second: next() };
        state.check()?;
        Ok(state)
    }

    /// Whether every number is one that training can go on from.
    ///
    /// # Errors
    /// [`StateError::NotFinite`] or [`StateError::NegativeMoment`].
    pub fn check(&self) -> Result<(), StateError> {
        let mut all = self.weights.iter().chain(&self.first).chain(&self.second);
        if let Some(index) = all.position(|element| !element.is_finite()) {
            return Err(StateError::NotFinite { index });
        }
        match self.second.iter().position(|element| *element < 0.0) {
            Some(index) => Err(StateError::NegativeMoment { index }),
            None => Ok(()),
        }
    }
}

/// The length of a recipe's states.
pub fn bytes_of(recipe: &Recipe) -> usize {
    let count =
        usize::try_from(recipe.parameters()).expect("admitted recipes have at most millions of weights");
    HEADER_BYTES + 3 * 4 * count
}

/// The hash of canonical bytes, which is also their address as a blob.
pub fn hash(bytes: &[u8]) -> BlobHash {
    BlobHash::new(*blake3::hash(bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use jobs::{Decimal, Optimizer};

    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            depth: 1,
            width: 16,
            heads: 2,
            mlp_ratio_eighths: 8,
            learning_rate: Decimal::literal(100, -4),
            weight_decay: Decimal::literal(100, -4),
            warmup_milli: 50,
            warmdown_milli: 500,
            tokens_per_step: 512,
            init_scale: Decimal::literal(100, -2),
            optimizer: Optimizer::AdamW,
        }
    }

    fn state() -> State {
        State { step: 7, ..State::initial(&recipe(), &[3; 32]) }
    }

    #[test]
    fn bytes_stand_where_the_format_says() {
        let mut state = state();
        (state.weights[0], state.first[0], state.second[0]) = (1.0, -2.0, 0.5);
        let bytes = state.to_bytes(&recipe());
        // 2·256·16 + 4·16² + 2·16·16 = 9,728 weights.
        assert_eq!(bytes.len(), 64 + 12 * 9_728);
        assert_eq!(&bytes[..16], b"swarm state v1\0\0");
        assert_eq!(&bytes[16..48], recipe().id().as_bytes());
        assert_eq!(&bytes[48..64], [7, 0, 0, 0, 0, 0, 0, 0, 0, 0x26, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[64..68], [0, 0, 0x80, 0x3f]);
        assert_eq!(&bytes[64 + 4 * 9_728..][..4], [0, 0, 0, 0xc0]);
        assert_eq!(&bytes[64 + 8 * 9_728..][..4], [0, 0, 0, 0x3f]);
        assert_eq!(State::from_bytes(&bytes, &recipe()), Ok(state));
    }

    #[test]
    fn the_initial_state_of_a_seed_is_frozen() {
        // Also computed from the two READMEs in Python, with its blake3 and numpy.
        let bytes = State::initial(&recipe(), &[3; 32]).to_bytes(&recipe());
        assert_eq!(
            hash(&bytes).to_string(),
            "dde31dc33d1f791537b35132587e55877cba1fd5e35042ccea34d9e625de958d"
        );
    }

    #[test]
    fn every_kind_of_damage_is_refused() {
        let bytes = state().to_bytes(&recipe());
        let refused = |bytes: &[u8]| State::from_bytes(bytes, &recipe()).unwrap_err();
        let expected = bytes.len();
        for found in [0, 63, expected - 1] {
            assert_eq!(refused(&bytes[..found]), StateError::Length { found, expected });
        }
        let with = |at: usize, changed: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[at..at + changed.len()].copy_from_slice(changed);
            refused(&bytes)
        };
        assert_eq!(with(0, b"S"), StateError::Magic);
        assert!(matches!(with(20, &[0, 1, 2]), StateError::Recipe { .. }));
        assert_eq!(with(56, &[1]), StateError::Weights { found: 9_729, expected: 9_728 });
        assert_eq!(with(64 + 4, &f32::NAN.to_le_bytes()), StateError::NotFinite { index: 1 });
        assert_eq!(
            with(expected - 4, &f32::INFINITY.to_le_bytes()),
            StateError::NotFinite { index: 3 * 9_728 - 1 }
        );
        assert_eq!(
            with(expected - 4, &(-1.0_f32).to_le_bytes()),
            StateError::NegativeMoment { index: 9_727 }
        );
    }

    #[test]
    fn another_seed_draws_other_weights_within_their_bounds() {
        let (one, other) = (State::initial(&recipe(), &[1; 32]), State::initial(&recipe(), &[2; 32]));
        assert_eq!(one, State::initial(&recipe(), &[1; 32]));
        assert_ne!(one.weights, other.weights);
        // The embedding is uniform on ±√3, so of mean square 1; 4,096 draws spread that by 0.014.
        let mean_square = one.weights[..4_096].iter().map(|w| w * w).sum::<f32>() / 4_096.0;
        assert!((mean_square - 1.0).abs() < 0.07, "{mean_square}");
        assert!(one.first.iter().chain(&one.second).all(|moment| *moment == 0.0));
    }
}
