//! Requests, the names in them, and the path each is asked at.

use std::fmt;
use std::str::FromStr;

use super::{HISTORY_ROWS_DEFAULT, ReceiptKind};

/// Hex digits a shortened id needs at least: 32 bits, so that a slip of the finger
/// is not another receipt.
const PREFIX_DIGITS_MIN: usize = 8;

/// What the daemon can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiRequest {
    /// What the node is and does.
    Status,
    /// What an account has; its own account when none is named.
    Balance {
        /// Whose.
        account: Option<IdPrefix>,
    },
    /// The newest receipts of an account, oldest of them first.
    History {
        /// Whose; its own account when none is named.
        account: Option<IdPrefix>,
        /// Only receipts of this kind.
        kind: Option<ReceiptKind>,
        /// How many rows at most; at most [`super::HISTORY_ROWS_MAX`].
        limit: u32,
    },
    /// Why a receipt changed what it changed.
    Explain {
        /// Which.
        receipt: ReceiptName,
    },
    /// A receipt's bytes and what they say.
    Receipt {
        /// Which.
        receipt: ReceiptName,
    },
    /// Recompute everything from the log on disk.
    Verify,
    /// All receipts of an account, a page at a time.
    Export {
        /// Whose; its own account when none is named.
        account: Option<IdPrefix>,
        /// First position of the page; positions start at 1.
        from_seq: u64,
    },
    /// The attested trials.
    Frontier,
    /// The connected peers.
    Peers,
    /// The swarm's charter.
    Swarm,
}

/// HTTP method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Starts work.
    Post,
}

impl ApiRequest {
    /// The method this request is asked with.
    pub const fn method(&self) -> Method {
        match self {
            Self::Verify => Method::Post,
            Self::Status
            | Self::Balance { .. }
            | Self::History { .. }
            | Self::Explain { .. }
            | Self::Receipt { .. }
            | Self::Export { .. }
            | Self::Frontier
            | Self::Peers
            | Self::Swarm => Method::Get,
        }
    }

    /// Path and query; nothing in them needs escaping.
    pub fn target(&self) -> String {
        let with_account = |path: &str, account: &Option<IdPrefix>, rest: Vec<String>| {
            let account = account.iter().map(|prefix| format!("account={prefix}"));
            let query = account.chain(rest).collect::<Vec<_>>().join("&");
            if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
        };
        match self {
            Self::Status => "/v1/status".to_owned(),
            Self::Balance { account } => with_account("/v1/ledger/balance", account, vec![]),
            Self::History { account, kind, limit } => {
                let mut rest: Vec<String> = kind.iter().map(|kind| format!("kind={kind}")).collect();
                if *limit != HISTORY_ROWS_DEFAULT {
                    rest.push(format!("limit={limit}"));
                }
                with_account("/v1/ledger/history", account, rest)
            }
            Self::Explain { receipt } => format!("/v1/ledger/explain/{receipt}"),
            Self::Receipt { receipt } => format!("/v1/ledger/receipt/{receipt}"),
            Self::Verify => "/v1/ledger/verify".to_owned(),
            Self::Export { account, from_seq } => {
                let rest = if *from_seq > 1 { vec![format!("from_seq={from_seq}")] } else { vec![] };
                with_account("/v1/ledger/export", account, rest)
            }
            Self::Frontier => "/v1/search/frontier".to_owned(),
            Self::Peers => "/v1/peers".to_owned(),
            Self::Swarm => "/v1/swarm".to_owned(),
        }
    }

    /// How long the daemon may take before the request has failed. Only reading the
    /// whole log takes longer than a moment.
    pub const fn patience_seconds(&self) -> u64 {
        match self {
            Self::Verify => 600,
            Self::Status
            | Self::Balance { .. }
            | Self::History { .. }
            | Self::Explain { .. }
            | Self::Receipt { .. }
            | Self::Export { .. }
            | Self::Frontier
            | Self::Peers
            | Self::Swarm => 10,
        }
    }
}

/// Text that names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Neither an id nor the start of one.
    #[error("an id is 64 hex digits, or at least its first 8")]
    Id,
    /// Not a kind of receipt.
    #[error("the kinds are genesis, claim, attest, mint, vest, hold, settle and release")]
    Kind,
}

/// An id or its first 8 to 63 hex digits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPrefix(String);

impl IdPrefix {
    /// Whether the id in full starts like this.
    pub fn is_start_of(&self, id: &[u8; 32]) -> bool {
        self.0.bytes().enumerate().all(|(place, digit)| {
            let byte = id[place / 2];
            let nibble = if place % 2 == 0 { byte >> 4 } else { byte & 15 };
            char::from_digit(u32::from(nibble), 16) == Some(char::from(digit))
        })
    }
}

impl FromStr for IdPrefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_hex && (PREFIX_DIGITS_MIN..=64).contains(&text.len()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NameError::Id)
        }
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a receipt is named by people: its id, the start of it, or `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptName {
    /// The newest receipt of the own chain.
    Last,
    /// The receipt whose id starts so.
    Id(IdPrefix),
}

impl FromStr for ReceiptName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "last" { Ok(Self::Last) } else { text.parse().map(Self::Id) }
    }
}

impl fmt::Display for ReceiptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::Id(prefix) => prefix.fmt(f),
        }
    }
}
