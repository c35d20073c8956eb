//! Answers about the node, its peers, its swarm and the search.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Amounts;
use crate::ids::{AccountId, ReceiptId, RecipeId, SwarmId, TrackId};

/// What the node is and does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node's account.
    pub account: AccountId,
    /// The swarm it is in.
    pub swarm: SwarmName,
    /// The daemon's version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// The current epoch by its clock.
    pub epoch: u64,
    /// Connected peers.
    pub peers: u32,
    /// What its worker does.
    pub doing: Doing,
    /// Its trials so far.
    pub trials: Trials,
    /// Its counted balance.
    pub balance: Amounts,
    /// Whether it signs receipts.
    pub signing: Signing,
}

/// A swarm by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmName {
    /// The charter's hash.
    pub id: SwarmId,
    /// The charter's name for it.
    pub name: String,
}

/// What a node's worker does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Doing {
    /// Nothing at the moment.
    Idle,
    /// It runs a trial of its own.
    Training {
        /// Which of its trials, from 1.
        trial: u64,
        /// The trial's recipe.
        recipe: RecipeId,
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Last training loss in bits per byte times 10^6, once there is one.
        loss_microbits: Option<u64>,
    },
    /// It re-runs a part of another node's trial.
    Checking {
        /// The claim it checks.
        claim: ReceiptId,
        /// Whose claim that is.
        account: AccountId,
        /// The drawn segment.
        segment: u32,
        /// The drawn evaluation block.
        block: u32,
    },
    /// There is no worker to do anything.
    NoWorker {
        /// Why not.
        reason: String,
    },
}

/// Counts of a node's own trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trials {
    /// Claimed.
    pub claimed: u64,
    /// Of these, minted.
    pub minted: u64,
    /// Of these, refuted.
    pub refuted: u64,
}

/// Whether a node signs receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Signing {
    /// It does.
    Ok,
    /// It does not.
    Refusing {
        /// Why not.
        reason: String,
    },
}

/// The attested trials of a track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// What the list is and is not, for people.
    pub heading: String,
    /// The track's name.
    pub track: String,
    /// Best first; at most [`super::FRONTIER_ROWS_MAX`].
    pub rows: Vec<FrontierRow>,
    /// How many worse ones are not listed.
    pub rows_left_out: u64,
}

/// One attested trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontierRow {
    /// The recipe.
    pub recipe: RecipeId,
    /// The recipe's fields as text.
    pub fields: BTreeMap<String, String>,
    /// Validation bits per byte times 10^6.
    pub val_bpb_microbits: u64,
    /// The earlier trial it is compared with; none for the first.
    pub parent: Option<FrontierParent>,
    /// Whether it was better than every trial before it.
    pub was_best: bool,
    /// Who ran it.
    pub ran: AccountId,
    /// Who re-ran a part of it and got the same.
    pub reran: Vec<AccountId>,
    /// The claim's epoch.
    pub epoch: u64,
    /// The claim.
    pub claim: ReceiptId,
}

/// An earlier trial that one is compared with. Claims do not say what they come
/// from: this is inferred from the recipes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontierParent {
    /// Its claim.
    pub claim: ReceiptId,
    /// Its recipe.
    pub recipe: RecipeId,
    /// How the trial comes from it.
    pub lineage: FrontierLineage,
    /// The trial's bits per byte less the parent's, times 10^6; negative is better.
    pub difference_microbits: i64,
    /// Names of the fields in which the recipes differ.
    pub changed: Vec<String>,
}

/// How a trial comes from the one it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontierLineage {
    /// The same recipe, run again.
    Repeat,
    /// The nearest earlier recipe, few fields away.
    Mutation,
    /// No earlier recipe is near: the best of the time.
    Best,
}

/// The connected peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// By account.
    pub peers: Vec<Peer>,
}

/// One connected peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its account.
    pub account: AccountId,
    /// Where it is connected, as a multiaddress.
    pub address: String,
    /// Its version as it says, once it said.
    pub version: Option<String>,
    /// Seconds since it connected.
    pub connected_seconds: u64,
    /// Last measured round trip.
    pub round_trip_ms: Option<u64>,
    /// Its clock less ours.
    pub clock_offset_ms: Option<i64>,
    /// Whether the charter names it a founder.
    pub is_founder: bool,
    /// Newest position of its chain that is known here.
    pub head_seq: Option<u64>,
}

/// The swarm's charter and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swarm {
    /// The charter's hash.
    pub id: SwarmId,
    /// Its name.
    pub name: String,
    /// The current epoch.
    pub epoch: u64,
    /// Its numbers.
    pub rules: SwarmRules,
    /// Its founders in the charter's order.
    pub founders: Vec<SwarmFounder>,
    /// Its tracks.
    pub tracks: Vec<SwarmTrack>,
    /// Accounts with a receipt known here.
    pub accounts: u64,
    /// What another node needs to join through this one, if it may hand one out.
    pub ticket: Option<String>,
}

/// The numbers of a charter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmRules {
    /// Start of epoch 0, unix milliseconds.
    pub start_ms: u64,
    /// Length of an epoch.
    pub epoch_ms: u64,
    /// Founders that must agree.
    pub threshold: u32,
    /// Gas of verified work that one founder's vote stands for.
    pub founder_weight_gas: u64,
    /// Votes expected on a claim.
    pub votes_expected: u32,
    /// Confirming votes a mint needs.
    pub confirmations: u32,
    /// Segments of a trial.
    pub segments: u32,
    /// Epochs from a mint's window opening to its money being spendable.
    pub vest_epochs: u64,
    /// Epochs until other incoming money is due.
    pub season_epochs: u64,
    /// Epochs beyond a hold's expiry before founders may end it.
    pub grace_epochs: u64,
}

/// A founder of a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmFounder {
    /// The account.
    pub account: AccountId,
    /// Whether it is this node.
    pub is_self: bool,
    /// Whether it is this node or connected to it.
    pub is_connected: bool,
}

/// A track of a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmTrack {
    /// The manifest's hash.
    pub id: TrackId,
    /// Its name, if this program knows the track.
    pub name: Option<String>,
}
