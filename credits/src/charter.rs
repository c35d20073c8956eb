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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn account(seed: u8) -> AccountId {
        account_of(&key(seed))
    }

    fn rules(founders: u8) -> Rules {
        let founder = |seed| Founder { account: account(seed), vrf_key: [seed; 32] };
        Rules {
            name: "test".to_owned(),
            start_ms: 1000,
            epoch_ms: 100,
            founders: (1..=founders).map(founder).collect(),
            threshold: 2,
            voting: Voting {
                founder_weight: 1,
                votes_expected: 6,
                votes_expected_dispute: 16,
                confirmations: 2,
            },
            segments: 4,
            delays: Delays { vest_epochs: 24, season_epochs: 1, grace_epochs: 24 },
            tracks: vec![TrackId::new([1; 32])],
            bootstrap: vec!["/ip4/127.0.0.1/udp/1/quic-v1".to_owned()],
        }
    }

    #[test]
    fn a_charter_reads_back_and_its_name_is_the_hash_of_its_body() {
        let file = rules(3).sign(&key(1)).unwrap();
        let charter = Charter::from_bytes(&file).unwrap();
        assert_eq!(charter.rules, rules(3));
        assert_eq!(charter.to_bytes(), file);
        let envelope = wire::Envelope::decode(&file[..]).unwrap();
        assert_eq!(*charter.id.as_bytes(), blake3::derive_key("swarm charter id v1", &envelope.body));
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Charter::from_bytes(&changed).is_err(), "bit {bit}");
        }
        assert_eq!(Charter::from_bytes(&vec![0; CHARTER_BYTES_MAX + 1]), Err(CharterError::Malformed));
        assert_eq!(rules(3).sign(&key(2)), Err(CharterError::BadSignature));
    }

    #[test]
    fn every_rule_has_its_bounds() {
        let many = |count: usize| vec!["a".to_owned(); count];
        type Change = Box<dyn Fn(&mut Rules)>;
        let rows: Vec<(Option<&str>, Change)> = vec![
            (Some("name"), Box::new(|rules| rules.name.clear())),
            (Some("name"), Box::new(|rules| rules.name = "a".repeat(65))),
            (None, Box::new(|rules| rules.name = "a".repeat(64))),
            (Some("epoch length"), Box::new(|rules| rules.epoch_ms = 0)),
            (Some("number of founders"), Box::new(|rules| rules.founders.clear())),
            (Some("number of founders"), Box::new(|rules| rules.founders = self::rules(17).founders)),
            (None, Box::new(|rules| rules.founders = self::rules(16).founders)),
            (Some("list of founders"), Box::new(|rules| rules.founders[2] = rules.founders[0])),
            (Some("threshold"), Box::new(|rules| rules.threshold = 0)),
            (Some("threshold"), Box::new(|rules| rules.threshold = 4)),
            (None, Box::new(|rules| rules.threshold = 3)),
            (Some("founder weight"), Box::new(|rules| rules.voting.founder_weight = 0)),
            (Some("expected votes"), Box::new(|rules| rules.voting.votes_expected = 257)),
            (None, Box::new(|rules| rules.voting.votes_expected = 256)),
            (Some("expected votes of a dispute"), Box::new(|rules| rules.voting.votes_expected_dispute = 0)),
            (Some("confirmations"), Box::new(|rules| rules.voting.confirmations = 0)),
            (Some("confirmations"), Box::new(|rules| rules.voting.confirmations = 7)),
            (None, Box::new(|rules| rules.voting.confirmations = 6)),
            (Some("segments"), Box::new(|rules| rules.segments = 0)),
            (Some("segments"), Box::new(|rules| rules.segments = 65)),
            (None, Box::new(|rules| rules.segments = 64)),
            (Some("vest epochs"), Box::new(|rules| rules.delays.vest_epochs = 1_000_001)),
            (Some("season epochs"), Box::new(|rules| rules.delays.season_epochs = 1_000_001)),
            (Some("grace epochs"), Box::new(|rules| rules.delays.grace_epochs = 1_000_001)),
            (None, Box::new(|rules| rules.delays.grace_epochs = 1_000_000)),
            (Some("tracks"), Box::new(|rules| rules.tracks = vec![TrackId::new([1; 32]); 65])),
            (Some("bootstrap list"), Box::new(move |rules| rules.bootstrap = many(65))),
            (Some("bootstrap addresses"), Box::new(|rules| rules.bootstrap = vec!["a".repeat(321)])),
            (None, Box::new(|_| ())),
        ];
        for (row, (expected, change)) in rows.into_iter().enumerate() {
            let mut rules = rules(3);
            change(&mut rules);
            let refused = rules.sign(&key(1)).err();
            assert_eq!(refused, expected.map(CharterError::OutOfBounds), "row {row}");
        }
    }

    #[test]
    fn founders_serve_others_and_a_sole_one_itself() {
        let charter = |founders: u8, threshold: u32| {
            let file = Rules { threshold, ..rules(founders) }.sign(&key(1)).unwrap();
            Charter::from_bytes(&file).unwrap()
        };
        // Founders, threshold, account concerned: who may serve, and how many must.
        for (founders, threshold, concerned, servers, quorum) in [
            (1, 1, 1, 1, 1),
            (1, 1, 9, 1, 1),
            (2, 2, 1, 1, 1),
            (2, 2, 9, 2, 2),
            (3, 2, 1, 2, 2),
            (3, 3, 1, 2, 2),
            (3, 3, 9, 3, 3),
            (16, 11, 1, 15, 11),
        ] {
            let charter = charter(founders, threshold);
            let concerned = account(concerned);
            assert_eq!((charter.servers_of(&concerned), charter.quorum_for(&concerned)), (servers, quorum));
        }
        let three = charter(3, 2);
        assert!(three.serves(&account(1), &account(2)) && three.serves(&account(1), &account(9)));
        assert!(!three.serves(&account(1), &account(1)) && !three.serves(&account(9), &account(1)));
        assert!(charter(1, 1).serves(&account(1), &account(1)));
        assert!(three.is_founder(&account(3)) && !three.is_founder(&account(4)));
    }

    #[test]
    fn epochs_are_counted_from_the_start() {
        let charter = Charter::from_bytes(&rules(2).sign(&key(1)).unwrap()).unwrap();
        for (now_ms, epoch) in [(0, 0), (1000, 0), (1099, 0), (1100, 1), (11_050, 100)] {
            assert_eq!(charter.epoch_at(now_ms), epoch, "{now_ms}");
        }
    }
}
