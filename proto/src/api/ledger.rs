//! Answers about accounts, receipts and balances.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NameError;
use crate::ids::{AccountId, AnchorId, DrawId, ReceiptId, RecipeId, TrackId};

/// The kinds of receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// Opens a chain.
    Genesis,
    /// One finished trial.
    Claim,
    /// A check of a part of a claim.
    Attest,
    /// Credit for a claim, or the fee of a check.
    Mint,
    /// Due amounts become spendable.
    Vest,
    /// Credits reserved for a job.
    Hold,
    /// The payee's collection of a hold.
    Settle,
    /// The payer's return of what a hold did not pay.
    Release,
}

impl ReceiptKind {
    /// All kinds in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Genesis,
        Self::Claim,
        Self::Attest,
        Self::Mint,
        Self::Vest,
        Self::Hold,
        Self::Settle,
        Self::Release,
    ];

    /// The kind as one lower-case word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Claim => "claim",
            Self::Attest => "attest",
            Self::Mint => "mint",
            Self::Vest => "vest",
            Self::Hold => "hold",
            Self::Settle => "settle",
            Self::Release => "release",
        }
    }
}

impl fmt::Display for ReceiptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ReceiptKind {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::ALL.into_iter().find(|kind| kind.word() == text).ok_or(NameError::Kind)
    }
}

/// The three parts of a balance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Free to spend.
    pub spendable_ucr: u64,
    /// Reserved for jobs.
    pub held_ucr: u64,
    /// Earned and not yet due.
    pub vesting_ucr: u64,
}

/// What one receipt did to the three parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// To what is free to spend.
    pub spendable_ucr: i64,
    /// To what is reserved.
    pub held_ucr: i64,
    /// To what is not yet due.
    pub vesting_ucr: i64,
}

/// What an account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whose.
    pub account: AccountId,
    /// What counts by everything known here, with the receipts behind it.
    pub counted: Figures,
    /// What no later news can take back.
    #[serde(rename = "final")]
    pub settled: Amounts,
    /// Declared by the chain but not covered: buys nothing.
    pub uncovered_ucr: u64,
    /// Claims not yet minted; no part of any figure above.
    pub claims: Vec<UnmintedClaim>,
    /// Whether the account signed two receipts at one position.
    pub is_forked: bool,
}

/// The three counted figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Free to spend.
    pub spendable: Figure,
    /// Reserved for jobs.
    pub held: Figure,
    /// Earned and not yet due.
    pub vesting: Figure,
}

/// An amount and the receipts that make it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// The amount.
    pub amount_ucr: u64,
    /// The newest of its receipts, newest first; at most [`super::FIGURE_PARTS_MAX`].
    pub receipts: Vec<Part>,
    /// How many older ones are not listed.
    pub receipts_left_out: u64,
}

/// One receipt's part in a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The receipt.
    pub receipt: ReceiptId,
    /// Its kind.
    pub kind: ReceiptKind,
    /// What it adds to the figure, as its chain declares it.
    pub change_ucr: i64,
}

/// A claim that is no money yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmintedClaim {
    /// The claim.
    pub claim: ReceiptId,
    /// Its epoch.
    pub epoch: u64,
    /// What it would mint.
    pub worth_ucr: u64,
    /// Where it stands.
    pub state: ClaimState,
}

/// Where a claim that is no money stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// Waiting for its draw or for checks.
    Open,
    /// A check contradicts it.
    Refuted,
    /// Too old to be minted.
    Closed,
}

/// Receipts of an account with running balances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Whose.
    pub account: AccountId,
    /// Oldest first.
    pub rows: Vec<HistoryRow>,
    /// How many older rows fit the filter and are not shown.
    pub rows_left_out: u64,
}

/// One receipt in a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Its position.
    pub seq: u64,
    /// The receipt.
    pub receipt: ReceiptId,
    /// Its kind.
    pub kind: ReceiptKind,
    /// Its epoch.
    pub epoch: u64,
    /// What it did.
    pub change: Changes,
    /// The balances after it.
    pub after: Amounts,
    /// The other account concerned, if there is one.
    pub counterparty: Option<AccountId>,
    /// Whether enough founders anchored it.
    pub is_final: bool,
}

/// Why a receipt changed what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The receipt.
    pub receipt: ReceiptId,
    /// Its kind.
    pub kind: ReceiptKind,
    /// Whose.
    pub account: AccountId,
    /// All of it in one sentence.
    pub sentence: String,
    /// How its amounts follow.
    pub arithmetic: Vec<ArithmeticLine>,
    /// What anybody can check.
    pub evidence: Evidence,
}

/// One line of arithmetic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArithmeticLine {
    /// What is computed.
    pub name: String,
    /// From what.
    pub formula: String,
    /// The amount that results, if the result is one.
    pub amount_ucr: Option<u64>,
}

/// What anybody can check about a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The trial concerned, if there is one.
    pub run: Option<RunEvidence>,
    /// Who re-ran parts of it, with every number compared.
    pub checks: Vec<CheckEvidence>,
    /// What founders say of the receipt's place.
    pub anchors: Vec<AnchorEvidence>,
    /// Its place in its chain.
    pub place: Place,
}

/// A trial: who ran what, and who drew its checkers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvidence {
    /// The claim.
    pub claim: ReceiptId,
    /// Who ran it.
    pub account: AccountId,
    /// On which track.
    pub track: TrackId,
    /// With which recipe; none if the answering program cannot read it.
    pub recipe: Option<RecipeId>,
    /// Its gas.
    pub gas: u64,
    /// Validation bits per byte times 10^6.
    pub val_bpb_microbits: u64,
    /// Root of its trace, hex.
    pub trace_root: String,
    /// Its segments.
    pub segments: u32,
    /// The draw that chose the checkers, if there is one.
    pub draw: Option<DrawId>,
    /// The founders whose randomness that is.
    pub draw_founders: Vec<AccountId>,
}

/// One check of a part of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckEvidence {
    /// The attest receipt.
    pub attest: ReceiptId,
    /// Who re-ran.
    pub account: AccountId,
    /// Which segment.
    pub segment: u32,
    /// Which evaluation block.
    pub block: u32,
    /// Votes the draw gave it, if that can be computed here.
    pub votes: Option<u32>,
    /// The digest it signed, hex; none when the work was unavailable.
    pub digest_signed: Option<String>,
    /// The digest that the opened trace gives, hex, once it is open.
    pub digest_opened: Option<String>,
    /// What the comparison says.
    pub verdict: CheckVerdict,
}

/// What the comparison of a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// Same digest.
    Confirms,
    /// Another digest.
    Refutes,
    /// The checker could not get what it needed.
    Unavailable,
    /// The trace is not open yet.
    NotOpenYet,
}

/// One founder's statement over a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorEvidence {
    /// The statement.
    pub anchor: AnchorId,
    /// The founder.
    pub founder: AccountId,
    /// The position it anchors, at or above the receipt's.
    pub seq: u64,
    /// The founder's epoch.
    pub epoch: u64,
    /// Whether it lists the receipt as frozen.
    pub lists: bool,
}

/// A receipt's place in its chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its position, from 1.
    pub seq: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The receipt before it.
    pub prev: Option<ReceiptId>,
    /// The newest position known here.
    pub head_seq: u64,
    /// Founders whose anchors lie at or above it.
    pub anchored_by: u32,
    /// Founders needed to make it final.
    pub threshold: u32,
    /// Whether it lies in the valid part of its chain; a fork cuts the rest off.
    pub is_valid: bool,
    /// Whether it is final.
    pub is_final: bool,
    /// Its signature, hex.
    pub signature: String,
}

/// A receipt's bytes and what they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptView {
    /// The receipt.
    pub receipt: ReceiptId,
    /// Its kind.
    pub kind: ReceiptKind,
    /// Whose.
    pub account: AccountId,
    /// Its position.
    pub seq: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The receipt before it.
    pub prev: Option<ReceiptId>,
    /// The balances after it, as it declares them.
    pub after: Amounts,
    /// What its body says, field by field.
    pub fields: Vec<Field>,
    /// The signed envelope as received, hex.
    pub envelope: String,
}

/// A named value as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The field's name on the wire.
    pub name: String,
    /// Its value: hex for bytes, decimal for numbers.
    pub value: String,
}

/// What recomputing everything from the log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Whether every record checked out.
    pub ok: bool,
    /// Records read.
    pub records: u64,
    /// Receipts among them.
    pub receipts: u64,
    /// Accounts they belong to.
    pub accounts: u64,
    /// Digest of the recomputed ledger, hex.
    pub digest: String,
    /// The first record that did not check out.
    pub first_bad: Option<BadRecord>,
}

/// A record that does not check out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecord {
    /// The segment file's name.
    pub file: String,
    /// Where the record starts in it.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// A page of an account's whole history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Whose.
    pub account: AccountId,
    /// Oldest first.
    pub rows: Vec<HistoryRow>,
    /// Where the next page starts, if there is one.
    pub next_seq: Option<u64>,
}
