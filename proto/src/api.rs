//! The local API: what is asked over the daemon's unix socket and what it answers.
//!
//! Both sides use these types; the wire form is HTTP/1.1 with JSON bodies. Every
//! answer names its schema in its first field (`"schema": "swarm.status/1"`). Within
//! one schema number fields may be added, never removed or changed; a reader skips
//! what it does not know. Amounts are integers in ucr and say so in their names;
//! ids are lower-case hex. No HTTP and no JSON is done here.

mod hex;
mod ledger;
mod node;
mod request;

pub use ledger::{
    Amounts, AnchorEvidence, ArithmeticLine, BadRecord, Balance, Changes, CheckEvidence, CheckVerdict,
    ClaimState, Evidence, Explanation, Export, Field, Figure, Figures, History, HistoryRow, Part, Place,
    ReceiptKind, ReceiptView, RunEvidence, UnmintedClaim, Verification,
};
pub use node::{
    Doing, Frontier, FrontierLineage, FrontierParent, FrontierRow, Peer, Peers, Signing, Status, Swarm,
    SwarmFounder, SwarmName, SwarmRules, SwarmTrack, Trials,
};
pub use request::{ApiRequest, IdPrefix, Method, NameError, ReceiptName};

use serde::{Deserialize, Serialize};

/// Header of every answer with the daemon's version.
pub const VERSION_HEADER: &str = "x-swarm-version";

/// Schema of an error answer.
pub const ERROR_SCHEMA: &str = "swarm.error/1";

/// One answer body: an export page of [`EXPORT_ROWS_MAX`] rows needs 6 MB.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Rows of one history answer.
pub const HISTORY_ROWS_MAX: u32 = 1_000;

/// Rows of a history answer when none are asked for: one screen.
pub const HISTORY_ROWS_DEFAULT: u32 = 20;

/// Rows of one export page.
pub const EXPORT_ROWS_MAX: u32 = 10_000;

/// Receipts listed under one figure of a balance; the rest is counted.
pub const FIGURE_PARTS_MAX: usize = 50;

/// Rows of a frontier answer.
pub const FRONTIER_ROWS_MAX: usize = 1_000;

/// An answer of the daemon. On the wire the variant is the `schema` field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "schema")]
pub enum ApiAnswer {
    /// To [`ApiRequest::Status`].
    #[serde(rename = "swarm.status/1")]
    Status(Box<Status>),
    /// To [`ApiRequest::Balance`].
    #[serde(rename = "swarm.balance/1")]
    Balance(Box<Balance>),
    /// To [`ApiRequest::History`].
    #[serde(rename = "swarm.history/1")]
    History(History),
    /// To [`ApiRequest::Explain`].
    #[serde(rename = "swarm.explain/1")]
    Explain(Box<Explanation>),
    /// To [`ApiRequest::Receipt`].
    #[serde(rename = "swarm.receipt/1")]
    Receipt(Box<ReceiptView>),
    /// To [`ApiRequest::Verify`].
    #[serde(rename = "swarm.verify/1")]
    Verify(Verification),
    /// To [`ApiRequest::Export`].
    #[serde(rename = "swarm.export/1")]
    Export(Export),
    /// To [`ApiRequest::Frontier`].
    #[serde(rename = "swarm.frontier/1")]
    Frontier(Frontier),
    /// To [`ApiRequest::Peers`].
    #[serde(rename = "swarm.peers/1")]
    Peers(Peers),
    /// To [`ApiRequest::Swarm`].
    #[serde(rename = "swarm.swarm/1")]
    Swarm(Box<Swarm>),
}

/// Why there is no answer. On the wire it carries [`ERROR_SCHEMA`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "schema", rename = "swarm.error/1")]
#[error("{message}")]
pub struct ApiError {
    /// What sort of failure; decides the exit code.
    pub kind: ErrorKind,
    /// What failed and why: lower case, no full stop.
    pub message: String,
    /// What to do about it, if there is something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ApiError {
    /// An error without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same error with what to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Sorts of failure, one per exit code of `swarmctl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The state does not allow it now.
    Refused,
    /// The request is malformed.
    Usage,
    /// The daemon cannot be reached, or is stopping.
    Unreachable,
    /// The asker may not.
    NotPermitted,
    /// Nothing has that name.
    NotFound,
    /// No answer in time.
    TimedOut,
    /// The account has not enough credits.
    NotEnoughCredits,
    /// Something does not verify.
    VerificationFailed,
    /// The two sides speak different versions.
    VersionMismatch,
    /// Peers cannot be reached.
    Network,
    /// A mistake in the program.
    Bug,
}
