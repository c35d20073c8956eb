//! Everything a node can want done, as one closed enum.
//!
//! The carrier executes the effects of one call in order; a journal entry is on
//! disk before the next effect begins.

use credits::{Item, Refusal, Ucr};
use proto::ids::{AccountId, BlobHash, ReceiptId, RecipeId};
use proto::wire::worker::Order;

use super::input::{AskToken, GossipToken, LocalToken, ReplyToken};
use super::message::{Answer, Ask};

/// One thing to do.
#[derive(Debug)]
pub enum Effect {
    /// Write to the own-chain journal and wait for the disk.
    Journal {
        /// What the bytes are.
        kind: JournalKind,
        /// One encoded record.
        bytes: Vec<u8>,
    },
    /// Write new items of the ledger's set to the log.
    Persist(Vec<Item>),
    /// Decide what becomes of a flooded bundle.
    Verdict {
        /// The bundle.
        token: GossipToken,
        /// Whether others shall see it.
        verdict: GossipVerdict,
    },
    /// Flood a bundle.
    Gossip(Vec<Item>),
    /// Ask a peer.
    Ask {
        /// The peer.
        to: AccountId,
        /// Comes back with the answer.
        token: AskToken,
        /// The question.
        ask: Ask,
    },
    /// Answer a peer.
    Answer {
        /// The question's token.
        token: ReplyToken,
        /// The answer.
        answer: Answer,
    },
    /// Give the worker an order.
    Work {
        /// The order.
        order: Order,
        /// State files, by their hash, that the order reads.
        needs: Vec<BlobHash>,
    },
    /// Take the device back: end the worker.
    StopWorker,
    /// Move a state file of the worker into the blob store.
    Keep {
        /// The file's name in the worker's directory.
        file: String,
        /// The hash that the worker reported; the carrier compares.
        hash: BlobHash,
    },
    /// Get a blob from a peer.
    Fetch {
        /// Its name.
        hash: BlobHash,
        /// The peer that has it.
        from: AccountId,
    },
    /// The blob is no longer needed.
    Forget(BlobHash),
    /// Answer a local caller.
    Reply {
        /// The caller's token.
        token: LocalToken,
        /// What came of it: the receipt signed, if any.
        outcome: Result<Option<ReceiptId>, LocalRefusal>,
    },
    /// Something that a person may want to see.
    Note(Note),
}

/// What a journal record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalKind {
    /// A receipt of the own chain (wire `Item`).
    Receipt,
    /// A share of a draw signed as founder (wire `ShareRecord`).
    Share,
    /// An anchor signed as founder (wire `Item`).
    Anchor,
    /// A step of an own trial (wire `TrialRecord`).
    Trial,
    /// The highest voucher received for a hold (wire `Voucher`).
    Voucher,
}

impl JournalKind {
    /// All kinds, in the order of their numbers on disk.
    pub const ALL: [Self; 5] = [Self::Receipt, Self::Share, Self::Anchor, Self::Trial, Self::Voucher];

    /// The number on disk.
    pub const fn number(self) -> u8 {
        match self {
            Self::Receipt => 1,
            Self::Share => 2,
            Self::Anchor => 3,
            Self::Trial => 4,
            Self::Voucher => 5,
        }
    }

    /// The kind with this number on disk.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// What becomes of a flooded bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GossipVerdict {
    /// It said something new that fits: forward it.
    Accept,
    /// Nothing new, incomplete, or refused for a reason that depends on what this
    /// node has seen: drop it without blame.
    Ignore,
}

/// Why a local order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalRefusal {
    /// The node may not sign now.
    #[error("the node does not sign now: {0}")]
    NotSigning(String),
    /// A rule of the ledger forbids it.
    #[error("the ledger refuses it")]
    Ledger(#[from] Refusal),
    /// The hold is unknown, not ours, or ended.
    #[error("no such open hold")]
    NoHold,
    /// The payee is not connected; vouchers are cumulative, so the next one covers it.
    #[error("the payee is not connected")]
    PayeeAway,
    /// No voucher came for the hold.
    #[error("no voucher came for this hold")]
    NoVoucher,
}

/// Something that a person may want to see; never an input to anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Signing is allowed from now on.
    SigningOpen,
    /// A trial starts or goes on.
    TrialStarted {
        /// The recipe.
        recipe: RecipeId,
        /// The segment from which it goes on.
        segment: u32,
    },
    /// The running trial got this far.
    TrialProgress {
        /// Steps done.
        step: u64,
        /// Steps of the trial.
        steps: u64,
        /// Bits per byte times 10^6.
        loss_microbits: u64,
    },
    /// A trial will not be claimed.
    TrialDropped {
        /// Why.
        reason: String,
    },
    /// A finished trial was claimed.
    Claimed {
        /// The claim.
        claim: ReceiptId,
        /// The result.
        metric_microbits: u64,
    },
    /// A claim's checkers are drawn.
    Drawn {
        /// The claim.
        claim: ReceiptId,
    },
    /// This node must re-run a part of a claim.
    CheckStarted {
        /// The claim.
        claim: ReceiptId,
        /// The segment.
        segment: u32,
    },
    /// This node re-ran its part of a claim.
    Attested {
        /// The claim.
        claim: ReceiptId,
        /// The segment.
        segment: u32,
    },
    /// An attestation of an own claim does not confirm it.
    Refuted {
        /// The claim.
        claim: ReceiptId,
        /// Who did not get the same.
        by: AccountId,
    },
    /// Credit was minted.
    Minted {
        /// The mint.
        mint: ReceiptId,
        /// How much.
        amount: Ucr,
    },
    /// Credit became spendable.
    Vested {
        /// How much.
        amount: Ucr,
    },
    /// An account showed two receipts at one position.
    Fork {
        /// The account.
        account: AccountId,
    },
}
