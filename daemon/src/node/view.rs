//! What can be seen of a node from outside, apart from its ledger.

use proto::ids::{AccountId, ReceiptId, RecipeId};

use super::{Node, NotEarning, Signing};

/// How the node is doing at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The own account.
    pub account: AccountId,
    /// The epoch by the own clock.
    pub epoch: u64,
    /// Connected peers.
    pub peers: Vec<ConnectedPeer>,
    /// Whether the node signs.
    pub signing: Signing,
    /// Why no trial runs, if none may.
    pub not_earning: Option<NotEarning>,
    /// The running trial: recipe, steps done, steps, loss in bits per byte times 10^6.
    pub trial: Option<(RecipeId, u64, u64, u64)>,
    /// The claim that the worker checks now.
    pub checking: Option<CheckedNow>,
    /// Checks that this node still owes.
    pub checks_open: usize,
    /// Own claims that are not minted yet.
    pub claims_open: usize,
    /// The worker's device, empty until one was up.
    pub device: String,
    /// Why the last worker or order failed, if one did.
    pub worker_failure: Option<String>,
}

/// One connected peer, as the node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// Its account.
    pub account: AccountId,
    /// Its version, once it has greeted.
    pub version: Option<String>,
    /// Its clock minus ours in milliseconds, once it has greeted.
    pub clock_ahead_ms: Option<i64>,
}

/// A part of a claim that is re-run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedNow {
    /// The claim.
    pub claim: ReceiptId,
    /// Whose it is.
    pub claimant: AccountId,
    /// The segment, from 1.
    pub segment: u32,
    /// The evaluation block, from 0.
    pub block: u32,
}

impl Node {
    /// How the node is doing now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            account: self.keys.account,
            epoch: self.epoch(),
            peers: self.peers.views(),
            signing: self.signing(),
            not_earning: self.not_earning(),
            trial: self.earn.running(),
            checking: self.checked_now(),
            checks_open: self.checks.open_count(),
            claims_open: self.claims.open_count(),
            device: self.worker.device().to_owned(),
            worker_failure: self.worker.last_failure().map(str::to_owned),
        }
    }
}
