//! What can be seen of a node from outside, apart from its ledger.

use proto::ids::{AccountId, RecipeId};

use super::{Node, NotEarning, Signing};

/// How the node is doing at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The own account.
    pub account: AccountId,
    /// The epoch by the own clock.
    pub epoch: u64,
    /// Connected peers, each with its version once it has greeted.
    pub peers: Vec<(AccountId, String)>,
    /// Whether the node signs.
    pub signing: Signing,
    /// Why no trial runs, if none may.
    pub not_earning: Option<NotEarning>,
    /// The running trial: recipe, steps done, steps, loss in bits per byte times 10^6.
    pub trial: Option<(RecipeId, u64, u64, u64)>,
    /// The worker carries out a check now.
    pub checking: bool,
    /// Checks that this node still owes.
    pub checks_open: usize,
    /// Own claims that are not minted yet.
    pub claims_open: usize,
    /// The worker's device, empty until one was up.
    pub device: String,
    /// Why the last worker or order failed, if one did.
    pub worker_failure: Option<String>,
}

impl Node {
    /// How the node is doing now.
    pub fn snapshot(&self) -> Snapshot {
        let version = |peer: &AccountId| self.peers.version_of(peer).unwrap_or_default().to_owned();
        Snapshot {
            account: self.keys.account,
            epoch: self.epoch(),
            peers: self.peers.connected().map(|peer| (peer, version(&peer))).collect(),
            signing: self.signing(),
            not_earning: self.not_earning(),
            trial: self.earn.running(),
            checking: self.worker.user() == Some(super::work::User::Check),
            checks_open: self.checks.open_count(),
            claims_open: self.claims.open_count(),
            device: self.worker.device().to_owned(),
            worker_failure: self.worker.last_failure().map(str::to_owned),
        }
    }
}
