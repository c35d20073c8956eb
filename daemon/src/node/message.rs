//! What peers ask each other, as checked types, and their wire form.
//!
//! Bytes become these types once, at the edge; signatures are checked on the way.

use std::sync::Arc;

use credits::{Anchor, Charter, Item, Refusal, Voucher};
use ed25519_dalek::SigningKey;
use jobs::trace::OpenedState;
use proto::ids::{AccountId, DrawId, IdError, ReceiptId, SwarmId};
use proto::limits::{GOSSIP_ITEMS_MAX, HEADS_MAX, SEGMENTS_MAX};
use proto::sign::Domain;
use proto::wire::receipt as items;
use proto::wire::sync::refused::Reason;
use proto::wire::{gossip, sync};

/// Longest version text of a peer.
const VERSION_BYTES_MAX: usize = 32;

/// Items of one sync answer: the bytes bound the answer, this bounds the decoded form.
const SYNC_ITEMS_MAX: usize = 8192;

/// Why bytes of a peer are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A field is missing, too long or not what it should be.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// An item of it does not pass its check.
    #[error("bad item")]
    BadItem(#[from] Refusal),
    /// A signature of the message itself does not verify.
    #[error("bad signature")]
    BadSignature,
}

impl From<IdError> for MessageError {
    fn from(_: IdError) -> Self {
        Self::Malformed("id")
    }
}

/// What a peer asks.
#[derive(Debug, Clone)]
pub enum Ask {
    /// First words.
    Hello(Greeting),
    /// "This is what I have; send what I lack."
    Heads(Vec<sync::Head>),
    /// One account's receipts from a position on.
    Range {
        /// The account.
        account: AccountId,
        /// The first position wanted.
        from_seq: u64,
    },
    /// A founder's share for a claim.
    Draw {
        /// The claim.
        claim: ReceiptId,
        /// The claim and what it names.
        items: Vec<Item>,
    },
    /// A founder's anchor over the asker's chain.
    Anchor {
        /// Position of the asker's head.
        seq: u64,
        /// The asker's head.
        id: ReceiptId,
        /// What the founder may lack.
        items: Vec<Item>,
    },
    /// What a check of one segment needs.
    Check {
        /// The claim.
        claim: ReceiptId,
        /// The draw that made the asker a checker.
        draw: DrawId,
        /// The segment.
        segment: u32,
    },
    /// A promise for a hold of the asker.
    Voucher(Box<Voucher>),
}

/// What a peer answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// First words.
    Hello(Greeting),
    /// Items the asker lacks.
    Items {
        /// Each after everything it names.
        items: Vec<Item>,
        /// Whether a limit cut the answer short.
        more: bool,
    },
    /// A founder's share; the draw that is put together from it is checked.
    Share(items::DrawShare),
    /// A founder's anchor.
    Anchor(Arc<Anchor>),
    /// What a check needs.
    Check(Box<Opening>),
    /// The voucher is kept.
    Taken,
    /// No.
    Refused(Reason),
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The peer cannot be reached or did not answer in time.
    #[error("no answer")]
    Unreachable,
    /// The peer's answer is not a message.
    #[error("malformed answer")]
    Malformed(#[from] MessageError),
}

/// First words of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The swarm it is in.
    pub swarm: SwarmId,
    /// Its version, for people.
    pub version: String,
    /// Its clock in Unix milliseconds.
    pub clock_ms: u64,
    /// UDP port of its blob endpoint.
    pub blob_port: u16,
}

/// The states that a check needs, each opened against the claimed root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The state before the segment.
    pub start: OpenedState,
    /// The final state; absent when the last segment is asked for.
    pub end: Option<OpenedState>,
}

impl Greeting {
    fn digest(&self) -> [u8; 32] {
        let body =
            [&self.clock_ms.to_le_bytes()[..], &self.blob_port.to_le_bytes()[..], self.version.as_bytes()]
                .concat();
        Domain::Hello.digest(&self.swarm, 0, &body)
    }

    fn to_wire(&self, key: &SigningKey) -> sync::Hello {
        sync::Hello {
            swarm: self.swarm.to_vec(),
            version: self.version.clone(),
            clock_ms: self.clock_ms,
            blob_port: u32::from(self.blob_port),
            signature: Domain::Hello.sign(key, &self.digest()).to_vec(),
        }
    }

    fn check(wire: &sync::Hello, from: &AccountId) -> Result<Self, MessageError> {
        if wire.version.len() > VERSION_BYTES_MAX {
            return Err(MessageError::Malformed("version"));
        }
        let greeting = Self {
            swarm: SwarmId::try_from(&wire.swarm[..])?,
            version: wire.version.clone(),
            clock_ms: wire.clock_ms,
            blob_port: wire.blob_port.try_into().map_err(|_| MessageError::Malformed("port"))?,
        };
        if !Domain::Hello.is_signed(from, &greeting.digest(), &wire.signature) {
            return Err(MessageError::BadSignature);
        }
        Ok(greeting)
    }
}

impl Ask {
    /// The wire form; `key` signs a greeting.
    pub fn to_wire(&self, key: &SigningKey) -> sync::Request {
        use sync::request::Request as Wire;
        let request = match self {
            Self::Hello(greeting) => Wire::Hello(greeting.to_wire(key)),
            Self::Heads(heads) => Wire::Heads(sync::Heads { heads: heads.clone() }),
            Self::Range { account, from_seq } => {
                Wire::Range(sync::Range { account: account.to_vec(), from_seq: *from_seq })
            }
            Self::Draw { claim, items } => {
                Wire::Draw(sync::DrawAsk { claim: claim.to_vec(), items: to_wire(items) })
            }
            Self::Anchor { seq, id, items } => {
                Wire::Anchor(sync::AnchorAsk { seq: *seq, id: id.to_vec(), items: to_wire(items) })
            }
            Self::Check { claim, draw, segment } => {
                Wire::Check(sync::CheckAsk { claim: claim.to_vec(), draw: draw.to_vec(), segment: *segment })
            }
            Self::Voucher(voucher) => Wire::Voucher(voucher.to_wire()),
        };
        sync::Request { request: Some(request) }
    }

    /// Checks a peer's request.
    ///
    /// # Errors
    /// As the variants of [`MessageError`] say.
    pub fn check(wire: &sync::Request, from: &AccountId, charter: &Charter) -> Result<Self, MessageError> {
        use sync::request::Request as Wire;
        Ok(match wire.request.as_ref().ok_or(MessageError::Malformed("request"))? {
            Wire::Hello(hello) => Self::Hello(Greeting::check(hello, from)?),
            Wire::Heads(heads) if heads.heads.len() <= HEADS_MAX => Self::Heads(heads.heads.clone()),
            Wire::Heads(_) => return Err(MessageError::Malformed("heads")),
            Wire::Range(range) => {
                Self::Range { account: AccountId::try_from(&range.account[..])?, from_seq: range.from_seq }
            }
            Wire::Draw(ask) => Self::Draw {
                claim: ReceiptId::try_from(&ask.claim[..])?,
                items: check_items(&ask.items, GOSSIP_ITEMS_MAX, charter)?,
            },
            Wire::Anchor(ask) => Self::Anchor {
                seq: ask.seq,
                id: ReceiptId::try_from(&ask.id[..])?,
                items: check_items(&ask.items, GOSSIP_ITEMS_MAX, charter)?,
            },
            Wire::Check(ask) if (1..=SEGMENTS_MAX).contains(&ask.segment) => Self::Check {
                claim: ReceiptId::try_from(&ask.claim[..])?,
                draw: DrawId::try_from(&ask.draw[..])?,
                segment: ask.segment,
            },
            Wire::Check(_) => return Err(MessageError::Malformed("segment")),
            Wire::Voucher(voucher) => Self::Voucher(Box::new(Voucher::from_wire(voucher)?)),
        })
    }
}

impl Answer {
    /// The wire form; `key` signs a greeting.
    pub fn to_wire(&self, key: &SigningKey) -> sync::Response {
        use sync::response::Response as Wire;
        let response = match self {
            Self::Hello(greeting) => Wire::Hello(greeting.to_wire(key)),
            Self::Items { items, more } => {
                Wire::Items(sync::Items { items: to_wire(items), more: *more, heads: Vec::new() })
            }
            Self::Share(share) => Wire::Draw(share.clone()),
            Self::Anchor(anchor) => Wire::Anchor(anchor.envelope().clone()),
            Self::Check(opening) => Wire::Check(sync::CheckAnswer {
                start: Some(opening.start.to_wire()),
                end: opening.end.as_ref().map(OpenedState::to_wire),
            }),
            Self::Taken => Wire::Taken(sync::Taken {}),
            Self::Refused(reason) => Wire::Refused(sync::Refused { reason: i32::from(*reason) }),
        };
        sync::Response { response: Some(response) }
    }

    /// Checks a peer's answer.
    ///
    /// # Errors
    /// As the variants of [`MessageError`] say.
    pub fn check(wire: &sync::Response, from: &AccountId, charter: &Charter) -> Result<Self, MessageError> {
        use sync::response::Response as Wire;
        Ok(match wire.response.as_ref().ok_or(MessageError::Malformed("response"))? {
            Wire::Hello(hello) => Self::Hello(Greeting::check(hello, from)?),
            Wire::Items(answer) => {
                Self::Items { items: check_items(&answer.items, SYNC_ITEMS_MAX, charter)?, more: answer.more }
            }
            Wire::Draw(share) => Self::Share(share.clone()),
            Wire::Anchor(anchor) => Self::Anchor(Arc::new(Anchor::check(anchor, charter)?)),
            Wire::Check(answer) => Self::Check(Box::new(Opening {
                start: opened(answer.start.as_ref())?,
                end: answer.end.as_ref().map(|end| opened(Some(end))).transpose()?,
            })),
            Wire::Taken(sync::Taken {}) => Self::Taken,
            Wire::Refused(refused) => Self::Refused(refused.reason()),
        })
    }
}

fn opened(wire: Option<&sync::OpenedState>) -> Result<OpenedState, MessageError> {
    wire.and_then(OpenedState::from_wire).ok_or(MessageError::Malformed("opening"))
}

/// The wire form of a bundle.
pub fn to_bundle(items: &[Item]) -> gossip::Bundle {
    gossip::Bundle { items: to_wire(items) }
}

/// Checks a flooded bundle.
///
/// # Errors
/// As the variants of [`MessageError`] say; all of them are the sender's fault.
pub fn check_bundle(bundle: &gossip::Bundle, charter: &Charter) -> Result<Vec<Item>, MessageError> {
    check_items(&bundle.items, GOSSIP_ITEMS_MAX, charter)
}

fn to_wire(items: &[Item]) -> Vec<items::Item> {
    items.iter().map(Item::to_wire).collect()
}

fn check_items(wire: &[items::Item], count_max: usize, charter: &Charter) -> Result<Vec<Item>, MessageError> {
    if wire.len() > count_max {
        return Err(MessageError::Malformed("items"));
    }
    Ok(wire.iter().map(|item| Item::check(item, charter)).collect::<Result<_, _>>()?)
}
