//! Everything that can happen to a node, as one closed enum.

use std::sync::Arc;

use credits::{Item, Ucr};
use proto::ids::{AccountId, BlobHash, JobId, NumericClass, ReceiptId};
use proto::wire::worker::{BlockDone, StateDone};

use super::message::{Answer, Ask, NoAnswer};

/// A gossip message that waits for its verdict; made by the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GossipToken(pub u64);

/// A peer's request that waits for its answer; made by the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyToken(pub u64);

/// An own request that waits for its answer; made by the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskToken(pub u64);

/// A local caller's request that waits for its answer; made by the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalToken(pub u64);

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// Time went by. Deadlines and retries hang on this alone; the carrier sends
    /// it several times per epoch.
    Tick,
    /// A direct connection to a peer stands.
    PeerUp(AccountId),
    /// The last direct connection to a peer is gone.
    PeerDown(AccountId),
    /// A flooded bundle whose items are checked.
    Gossip {
        /// To be answered by one verdict.
        token: GossipToken,
        /// In the order in which they stood in the bundle.
        items: Vec<Item>,
    },
    /// A peer asks.
    Ask {
        /// To be answered by one answer.
        token: ReplyToken,
        /// The asking peer.
        from: AccountId,
        /// What it asks.
        ask: Ask,
    },
    /// A peer answered, or will not.
    Answer {
        /// The token of the ask.
        token: AskToken,
        /// The asked peer.
        from: AccountId,
        /// Its answer.
        answer: Result<Answer, NoAnswer>,
    },
    /// The worker child says something.
    Worker(WorkerReport),
    /// A fetched blob arrived in the store, or could not be had.
    Blob {
        /// Its name.
        hash: BlobHash,
        /// Whether it is in the store now.
        stored: bool,
    },
    /// The device became free for track work, or is taken back.
    DeviceFree(bool),
    /// A local caller wants something done.
    Local {
        /// To be answered by one reply.
        token: LocalToken,
        /// What it wants.
        order: LocalOrder,
    },
    /// The disk refused to keep what it was given, or works again.
    Disk(Result<(), Arc<str>>),
}

/// What the worker child reports.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerReport {
    /// The worker is up; the first report of every worker.
    Ready {
        /// Machines of this class compute the same bits.
        class: NumericClass,
        /// The device in words.
        device: String,
    },
    /// It got this far in its order.
    Progress {
        /// Steps done.
        step: u64,
        /// Steps of the trial.
        steps: u64,
        /// Mean training loss since the last report, bits per byte times 10^6.
        loss_microbits: u64,
    },
    /// A state file stands in its directory.
    State(StateDone),
    /// An evaluation block is done.
    Block(BlockDone),
    /// The order is carried out; the worker waits for the next.
    Finished {
        /// The run ended early because its loss was not finite.
        diverged: bool,
    },
    /// The order cannot be carried out; the worker waits for the next.
    Failed(String),
    /// The worker process is gone.
    Gone(String),
}

/// What a local caller can want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalOrder {
    /// Reserve credits for a job.
    Hold {
        /// Who will be paid from it.
        payee: AccountId,
        /// The job.
        job: JobId,
        /// How much is reserved.
        amount: Ucr,
        /// How much one segment costs.
        per_segment: Ucr,
        /// Last epoch in which the payee may settle.
        expiry_epoch: u64,
    },
    /// Promise the payee of an own hold a cumulative amount.
    Pay {
        /// The own hold.
        hold: ReceiptId,
        /// All that is promised so far.
        cumulative: Ucr,
        /// The segment that is paid.
        segment: u32,
    },
    /// Collect the highest voucher of a hold.
    Settle {
        /// The payer's hold.
        hold: ReceiptId,
    },
}
