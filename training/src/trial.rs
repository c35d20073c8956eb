//! A trial that has been checked: recipe, track and seed that this program can run.

use jobs::{Recipe, RecipeError, Track, gas};

use crate::corpus;
use crate::state::{State, StateError};

/// Recipe, track and seed that belong together, admitted and within memory.
#[derive(Debug, Clone)]
pub struct Trial {
    recipe: Recipe,
    track: Track,
    seed: [u8; 32],
    steps: u64,
}

/// Why a trial cannot be run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// The track is over a corpus that this program does not hold.
    #[error("track {name} needs a corpus that does not come with this program")]
    UnknownCorpus {
        /// The track's name.
        name: String,
    },
    /// The track's numbers are computed in another way than here.
    #[error("track {name} asks for the numeric profile {profile}, this program computes {PROFILE}")]
    Profile {
        /// The track's name.
        name: String,
        /// The profile it asks for.
        profile: String,
    },
    /// The track's parts lie beyond the end of the corpus.
    #[error("track {name} reads beyond the end of its corpus")]
    BeyondCorpus {
        /// The track's name.
        name: String,
    },
    /// The track does not admit the recipe, or the machine has too little memory for it.
    #[error("the recipe is not admitted")]
    Recipe(#[from] RecipeError),
    /// The state is damaged or of another recipe.
    #[error("the state cannot be used")]
    State(#[from] StateError),
    /// The state has had another number of steps.
    #[error("the state has had {found} steps, the segment begins after {expected}")]
    Step {
        /// Steps of the state.
        found: u64,
        /// Steps before the segment.
        expected: u64,
    },
}

/// How numbers are computed: burn 0.22.1's stock kernels in 32-bit floats.
pub const PROFILE: &str = "burn-0-22-1";

impl Trial {
    /// Checks that this program can run the trial.
    ///
    /// # Errors
    /// The first of the [`TrialError`]s that holds.
    pub fn new(recipe: Recipe, track: Track, seed: [u8; 32], memory_bytes: u64) -> Result<Self, TrialError> {
        let name = || track.name.clone();
        if track.corpus != corpus::HASH {
            return Err(TrialError::UnknownCorpus { name: name() });
        }
        if track.numeric_profile != PROFILE {
            return Err(TrialError::Profile { name: name(), profile: track.numeric_profile.clone() });
        }
        if track.train.end.max(track.validation.end) > corpus::LENGTH as u64 {
            return Err(TrialError::BeyondCorpus { name: name() });
        }
        gas::check_memory(&recipe, &track, memory_bytes)?;
        Ok(Self::unchecked(recipe, track, seed)?)
    }

    /// Takes a track over any text; the conformance run has its own.
    pub(crate) fn unchecked(recipe: Recipe, track: Track, seed: [u8; 32]) -> Result<Self, RecipeError> {
        let steps = gas::of(&recipe, &track)?.steps;
        Ok(Self { recipe, track, seed, steps })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The track.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// The seed of weights and data order.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Reads a state that has had `steps` steps.
    ///
    /// # Errors
    /// [`TrialError::State`] or [`TrialError::Step`].
    pub fn state_after(&self, steps: u64, bytes: &[u8]) -> Result<State, TrialError> {
        let state = State::from_bytes(bytes, &self.recipe)?;
        if state.step != steps {
            return Err(TrialError::Step { found: state.step, expected: steps });
        }
        Ok(state)
    }
}
