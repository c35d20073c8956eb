//! What the ledger must know about work but may not compute: injected.

use crate::amount::Ucr;
use crate::body::Claim;
use crate::refusal::TermsFault;

/// Prices a claim. Must be a pure function of the claim: every node asks its own
/// and all must answer alike.
pub trait ClaimTerms: Send + Sync {
    /// Checks a claim's recipe, track and gas, and says what it is worth.
    ///
    /// # Errors
    /// As the variants of [`TermsFault`] say.
    fn assess(&self, claim: &Claim) -> Result<Terms, TermsFault>;
}

/// What one claim means in the ledger's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What its mint pays; nothing when its metric is above the track's pay floor.
    pub worth: Ucr,
    /// Evaluation blocks of its track.
    pub blocks: u32,
    /// Bytes that its track's evaluation scores.
    pub eval_bytes: u64,
}
