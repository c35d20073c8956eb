//! The rules of one swarm, signed by its first founder; their hash is its name.
//!
//! A charter file is an [`Envelope`](wire::Envelope) whose body is the wire charter.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use prost::Message;
use proto::ids::{AccountId, SwarmId, TrackId};
use proto::limits::{CHARTER_BYTES_MAX, FOUNDERS_MAX, SEGMENTS_MAX};
use proto::sign::{Domain, account_of};
use proto::wire::receipt as wire;

/// Longest name of a swarm in bytes: it stands in one line of a terminal.
const NAME_BYTES_MAX: usize = 64;

/// Tracks a charter may name, and bootstrap addresses: both fit its file's bound.
const LIST_MAX: usize = 64;

/// Longest bootstrap address in bytes: a DNS name is at most 253.
const ADDRESS_BYTES_MAX: usize = 320;

/// Votes of one draw: as many receipts must be carried for every claim.
const VOTES_MAX: u32 = 256;

/// Epochs of any one delay: a hundred years of hours; sums stay far below `u64`.
const DELAY_EPOCHS_MAX: u64 = 1_000_000;

/// Why bytes are not a charter, or rules cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// Not a charter in canonical bytes, or longer than the bound.
    #[error("the bytes are not a charter")]
    Malformed,
    /// Not signed by the first founder.
    #[error("the charter is not signed by its first founder")]
    BadSignature,
    /// A rule is outside its bounds.
    #[error("the charter's {0} is out of bounds")]
    OutOfBounds(&'static str),
}

/// An account that gives time, randomness and finality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Founder {
    /// Its account.
    pub account: AccountId,
    /// Its VRF key, the same as in its Genesis.
    pub vrf_key: [u8; 32],
}

/// How many accounts check a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voting {
    /// Gas of verified work that one founder's vote stands for.
    pub founder_weight: u64,
    /// Expected votes of a draw (λ).
    pub votes_expected: u32,
    /// Expected votes of a dispute; not used in the first form.
    pub votes_expected_dispute: u32,
    /// Confirming votes that a mint needs (k), at most λ.
    pub confirmations: u32,
}

/// How long things take, in epochs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delays {
    /// From the first anchor over a mint to its being due.
    pub vest_epochs: u64,
    /// From the first anchor over a settle to its being due.
    pub season_epochs: u64,
    /// From a hold's expiry to its lapse; not used in the first form.
    pub grace_epochs: u64,
}

/// What a charter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// A name for people.
    pub name: String,
    /// Unix milliseconds at which epoch 0 starts.
    pub start_ms: u64,
    /// Length of an epoch in milliseconds.
    pub epoch_ms: u64,
    /// The founders; the first signs the charter.
    pub founders: Vec<Founder>,
    /// Founders that a draw and finality need, counted among those other than the
    /// account concerned.
    pub threshold: u32,
    /// How claims are checked.
    pub voting: Voting,
    /// Segments of every trial.
    pub segments: u32,
    /// How long money waits.
    pub delays: Delays,
    /// Tracks that pay.
    pub tracks: Vec<TrackId>,
    /// Addresses at which the swarm is found.
    pub bootstrap: Vec<String>,
}

impl Rules {
    /// Signs the rules into a charter file; `key` is the first founder's.
    ///
    /// # Errors
    /// [`CharterError::OutOfBounds`] for rules that no charter may have,
    /// [`CharterError::BadSignature`] if the key is not the first founder's.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, CharterError> {
        self.check()?;
        if self.founders[0].account != account_of(key) {
            return Err(CharterError::BadSignature);
        }
        let body = self.to_wire().encode_to_vec();
        let digest = Domain::Charter.digest(&id_of(&body), 0, &body);
        let signature = Domain::Charter.sign(key, &digest).to_vec();
        Ok(wire::Envelope { body, signature }.encode_to_vec())
    }

    fn check(&self) -> Result<(), CharterError> {
        let accounts: BTreeSet<AccountId> = self.founders.iter().map(|founder| founder.account).collect();
        let Voting { founder_weight, votes_expected, votes_expected_dispute, confirmations } = self.voting;
        let Delays { vest_epochs, season_epochs, grace_epochs } = self.delays;
        let within = [
            ("name", (1..=NAME_BYTES_MAX).contains(&self.name.len())),
            ("epoch length", self.epoch_ms >= 1),
            ("number of founders", (1..=FOUNDERS_MAX).contains(&self.founders.len())),
            ("list of founders", accounts.len() == self.founders.len()),
            ("threshold", (1..=self.founders.len()).contains(&(self.threshold as usize))),
            ("founder weight", founder_weight >= 1),
            ("expected votes", (1..=VOTES_MAX).contains(&votes_expected)),
            ("expected votes of a dispute", (1..=VOTES_MAX).contains(&votes_expected_dispute)),
            ("confirmations", (1..=votes_expected).contains(&confirmations)),
            ("segments", (1..=SEGMENTS_MAX).contains(&self.segments)),
            ("vest epochs", vest_epochs <= DELAY_EPOCHS_MAX),
            ("season epochs", season_epochs <= DELAY_EPOCHS_MAX),
            ("grace epochs", grace_epochs <= DELAY_EPOCHS_MAX),
            ("tracks", self.tracks.len() <= LIST_MAX),
            ("bootstrap list", self.bootstrap.len() <= LIST_MAX),
            ("bootstrap addresses", self.bootstrap.iter().all(|address| address.len() <= ADDRESS_BYTES_MAX)),
        ];
        match within.iter().find(|(_, is_within)| !is_within) {
            Some((what, _)) => Err(CharterError::OutOfBounds(what)),
            None => Ok(()),
        }
    }

    fn to_wire(&self) -> wire::Charter {
        let founder = |founder: &Founder| wire::Founder {
            account: founder.account.to_vec(),
            vrf_key: founder.vrf_key.to_vec(),
        };
        wire::Charter {
            name: self.name.clone(),
            start_ms: self.start_ms,
            epoch_ms: self.epoch_ms,
            founders: self.founders.iter().map(founder).collect(),
            threshold: self.threshold,
            founder_weight: self.voting.founder_weight,
            votes_expected: self.voting.votes_expected,
            votes_expected_dispute: self.voting.votes_expected_dispute,
            confirmations: self.voting.confirmations,
            segments: self.segments,
            vest_epochs: self.delays.vest_epochs,
            season_epochs: self.delays.season_epochs,
            grace_epochs: self.delays.grace_epochs,
            tracks: self.tracks.iter().map(|track| track.to_vec()).collect(),
            bootstrap: self.bootstrap.clone(),
        }
    }

    fn from_wire(wire: wire::Charter) -> Option<Self> {
        let founder = |founder: &wire::Founder| {
            let account = AccountId::try_from(&founder.account[..]).ok()?;
            Some(Founder { account, vrf_key: founder.vrf_key[..].try_into().ok()? })
        };
        Some(Self {
            name: wire.name,
            start_ms: wire.start_ms,
            epoch_ms: wire.epoch_ms,
            founders: wire.founders.iter().map(founder).collect::<Option<_>>()?,
            threshold: wire.threshold,
            voting: Voting {
                founder_weight: wire.founder_weight,
                votes_expected: wire.votes_expected,
                votes_expected_dispute: wire.votes_expected_dispute,
                confirmations: wire.confirmations,
            },
            segments: wire.segments,
            delays: Delays {
                vest_epochs: wire.vest_epochs,
                season_epochs: wire.season_epochs,
                grace_epochs: wire.grace_epochs,
            },
            tracks: wire.tracks.iter().map(|id| TrackId::try_from(&id[..]).ok()).collect::<Option<_>>()?,
            bootstrap: wire.bootstrap,
        })
    }
}

/// The checked rules of one swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    /// The swarm's name: `derive_key("swarm charter id v1", body)`.
    pub id: SwarmId,
    /// What the charter says.
    pub rules: Rules,
    bytes: Vec<u8>,
}

fn id_of(body: &[u8]) -> SwarmId {
    SwarmId::new(blake3::derive_key("swarm charter id v1", body))
}

impl Charter {
    /// Checks a charter file.
    ///
    /// # Errors
    /// As the variants of [`CharterError`] say.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CharterError> {
        if bytes.len() > CHARTER_BYTES_MAX {
            return Err(CharterError::Malformed);
        }
        let envelope = wire::Envelope::decode(bytes).map_err(|_| CharterError::Malformed)?;
        let decoded = wire::Charter::decode(&envelope.body[..]).map_err(|_| CharterError::Malformed)?;
        if envelope.encode_to_vec() != bytes || decoded.encode_to_vec() != envelope.body {
            return Err(CharterError::Malformed);
        }
        let rules = Rules::from_wire(decoded).ok_or(CharterError::Malformed)?;
        rules.check()?;
        let id = id_of(&envelope.body);
        let digest = Domain::Charter.digest(&id, 0, &envelope.body);
        if !Domain::Charter.is_signed(&rules.founders[0].account, &digest, &envelope.signature) {
            return Err(CharterError::BadSignature);
        }
        Ok(Self { id, rules, bytes: bytes.to_vec() })
    }

    /// The charter file.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The epoch at a time in unix milliseconds; 0 before the start.
    pub fn epoch_at(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.rules.start_ms) / self.rules.epoch_ms
    }

    /// The founder of that account, if it is one.
    pub fn founder(&self, account: &AccountId) -> Option<&Founder> {
        self.rules.founders.iter().find(|founder| founder.account == *account)
    }

    /// Whether the account is a founder.
    pub fn is_founder(&self, account: &AccountId) -> bool {
        self.founder(account).is_some()
    }

    /// Whether a founder may draw, attest or anchor for an account: not for itself,
    /// unless it is the only one.
    pub fn serves(&self, founder: &AccountId, concerned: &AccountId) -> bool {
        self.is_founder(founder) && (founder != concerned || self.rules.founders.len() == 1)
    }

    /// Founders that may serve an account.
    pub fn servers_of(&self, concerned: &AccountId) -> usize {
        let founders = &self.rules.founders;
        founders.iter().filter(|founder| self.serves(&founder.account, concerned)).count()
    }

    /// Founders whose word about an account counts as that of all: the threshold,
    /// never more than may serve it.
    pub fn quorum_for(&self, concerned: &AccountId) -> usize {
        self.servers_of(concerned).min(self.rules.threshold as usize)
    }
}
