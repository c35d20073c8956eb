//! Every answer "no": one variant each. The README lists the order in which they are
//! tried.

/// Why a claim cannot be priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsFault {
    /// No such track.
    #[error("the track is not known")]
    UnknownTrack,
    /// The recipe is not in canonical bytes.
    #[error("the recipe does not decode")]
    MalformedRecipe,
    /// The gas is not that of the recipe on the track.
    #[error("the gas is not that of the recipe")]
    WrongGas,
    /// The track does not admit the recipe.
    #[error("the recipe is outside the track's bounds")]
    OutOfRange,
}

/// Why an item is not part of the set, or a draft not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is longer than a receipt may be.
    #[error("the body is longer than a receipt may be")]
    TooLong,
    /// The bytes do not decode, miss a part or hold an id of wrong length.
    #[error("the bytes are not a ledger item")]
    Malformed,
    /// The bytes decode but are not those the fields encode to.
    #[error("the bytes are not in canonical form")]
    NotCanonical,
    /// A version this program does not know.
    #[error("the version is not known")]
    UnknownVersion,
    /// A list or a number is outside its bounds.
    #[error("a list or number is out of bounds")]
    OutOfBounds,
    /// The kind, position and predecessor do not fit each other.
    #[error("the receipt cannot stand at its position")]
    WrongPlace,
    /// The account did not sign this.
    #[error("the signature is not the account's")]
    BadSignature,
    /// The VRF proof does not verify.
    #[error("the proof of the random output does not verify")]
    BadProof,
    /// A founder's part of someone whom the charter does not let serve here.
    #[error("not a founder that may serve this account")]
    NotAFounder,
    /// Two receipts that do not contradict each other.
    #[error("the two receipts are no fork")]
    NotAFork,

    /// The pool for items that wait for others is full for this account.
    #[error("too many items of this account wait for others")]
    PoolFull,
    /// The account has forked and shows more branches than are kept.
    #[error("the account has forked too often")]
    TooManyBranches,
    /// The account has forked and can sign nothing more.
    #[error("the account has forked")]
    Forked,
    /// A draft names what is not in the set.
    #[error("something named is not known")]
    NamesMissing,

    /// The epoch is before the predecessor's.
    #[error("the epoch is before the predecessor's")]
    EpochBackwards,
    /// The epoch is before that of something named.
    #[error("the epoch is before that of something named")]
    EpochBeforeNamed,
    /// A named receipt, draw or anchor is not of the kind or account needed.
    #[error("something named is of another kind, claim, hold or account")]
    WrongName,
    /// Something is named twice, or two attestations of one account.
    #[error("something is named twice")]
    NameRepeated,

    /// A founder's Genesis has another VRF key than the charter says.
    #[error("the key of random outputs is not the account's")]
    WrongVrfKey,

    /// The charter does not pay this track, or it is not known.
    #[error("the claim cannot be priced: {0}")]
    Terms(#[from] TermsFault),
    /// Another number of segments than the charter's.
    #[error("the number of segments is not the charter's")]
    WrongSegments,
    /// Another numeric class than the account's, or than the claim's.
    #[error("the numeric class differs")]
    WrongClass,
    /// More gas than one claim may have.
    #[error("the claim has more gas than one claim may have")]
    ClaimTooLarge,
    /// The account claimed this recipe with this nonce before.
    #[error("the same trial was claimed before")]
    ClaimRepeated,
    /// The account has as many open claims as it may have.
    #[error("too many claims are open")]
    TooManyClaims,

    /// A round of voting that does not exist yet.
    #[error("the round is not known")]
    UnknownRound,
    /// The random output named is not the draw's.
    #[error("the random output is not the draw's")]
    WrongOutput,
    /// The account has no vote on this claim.
    #[error("the account has no vote on this claim")]
    NoDuty,
    /// The segment or block is not the one drawn for the account.
    #[error("the segment or block is not the one drawn")]
    WrongDuty,
    /// The account attested this claim in this round before.
    #[error("the account attested this claim before")]
    AttestRepeated,

    /// The claim was not minted in time.
    #[error("the claim is closed")]
    ClaimClosed,
    /// The claim pays nothing.
    #[error("the claim is worth nothing")]
    WorthNothing,
    /// The claim or the fee was minted before.
    #[error("minted before")]
    MintRepeated,
    /// Another number of leaves or blocks than the claim's trace has.
    #[error("the opening has another number of leaves")]
    WrongOpening,
    /// The opened leaves do not give the claimed root.
    #[error("the opened leaves do not give the claimed root")]
    WrongRoot,
    /// The opened blocks do not add up to the claimed metric.
    #[error("the opened blocks do not add up to the claimed metric")]
    WrongMetric,
    /// An attestation has another digest than the opened leaves give.
    #[error("an attestation does not confirm the opened trace")]
    DigestDiffers,
    /// The confirming votes are too few.
    #[error("too few confirming votes")]
    TooFewVotes,

    /// A receipt to vest was vested before.
    #[error("vested before")]
    VestRepeated,
    /// The anchor does not lie over the receipt to vest.
    #[error("the anchor does not lie over the receipt")]
    NotAnchored,
    /// The receipt to vest is not due yet.
    #[error("not due yet")]
    NotDue,

    /// A hold of nothing, or with a price per segment of nothing or above its amount.
    #[error("the amounts of the hold do not fit")]
    WrongAmounts,
    /// A hold for the account itself.
    #[error("a hold cannot pay its own account")]
    HoldForSelf,
    /// The hold has expired.
    #[error("the hold has expired")]
    HoldExpired,

    /// The hold pays somebody else.
    #[error("the hold pays another account")]
    NotThePayee,
    /// The voucher is not the payer's.
    #[error("the voucher is not signed by the payer")]
    VoucherUnsigned,
    /// The voucher promises more than the hold has.
    #[error("the voucher is above the hold")]
    VoucherAboveHold,
    /// The hold was settled before.
    #[error("the hold was settled before")]
    SettleRepeated,

    /// The proof does not show that the hold has ended.
    #[error("the proof does not show that the hold has ended")]
    HoldNotEnded,
    /// The hold was released before.
    #[error("the hold was released before")]
    ReleaseRepeated,

    /// A draw with another number of shares than the quorum.
    #[error("the draw does not have the quorum's number of shares")]
    WrongQuorum,
    /// An anchor lists what does not lie below it or cannot be listed.
    #[error("the anchor lists what does not lie below it")]
    WrongListing,

    /// Less is available than the receipt takes.
    #[error("less is available than is taken")]
    NotEnough,
    /// A balance would be above `u64::MAX`.
    #[error("a balance would overflow")]
    Overflow,
    /// The balances stated differ from those the rules give.
    #[error("the balances stated are not those that follow")]
    WrongBalances,
}
