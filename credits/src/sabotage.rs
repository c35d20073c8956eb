//! Rules broken on purpose, for drills that show that the checkers catch them.

/// A rule that a ledger under drill leaves out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sabotage {
    /// None: a real ledger.
    #[default]
    None,
    /// A hold may be settled again and again.
    SettleTwice,
    /// A fork cuts nothing: the branch that came first stands.
    IgnoreFork,
    /// A mint needs but one attestation.
    MintWithOne,
    /// A settle counts in full whatever its hold covers.
    CountUncovered,
}
