//! What lets an item into the set, rule by rule in a fixed order.
//!
//! Every rule looks only at what the item names and at the path below it, never at
//! siblings, clocks or arrival. So an item that one node accepts, every node that
//! holds its names accepts.

use proto::ids::{AccountId, AnchorId, DrawId, ReceiptId};

use crate::amount::Ucr;
use crate::anchor::Anchor;
use crate::body::{Attest, Body, Claim, Mint, ReleaseProof};
use crate::charter::Charter;
use crate::draw::Draw;
use crate::receipt::Balances;
use crate::refusal::{Refusal, TermsFault};
use crate::sabotage::Sabotage;
use crate::set::{Entry, Facts, Set, Use};
use crate::terms::ClaimTerms;
use crate::votes::Ballot;

mod money;
mod work;

pub(crate) use work::confirms;

/// Unminted claims that an account may have at a time: what one run of its
/// machine produces while the checks of the last are on their way.
pub(crate) const CLAIMS_OPEN_MAX: usize = 3;

/// Epochs after which an unminted claim is closed: counted from the claim for the
/// number of open claims, from its draw for the mint.
pub(crate) const CLAIM_EPOCHS: u64 = 8;

/// Gas of the largest claim: a stranger's prize for a lie that is not caught.
pub(crate) const CLAIM_GAS_MAX: u64 = 10_000_000_000_000;

/// Something an item needs to be in the set before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A receipt.
    Receipt(ReceiptId),
    /// A draw.
    Draw(DrawId),
    /// An anchor.
    Anchor(AnchorId),
    /// A fork proof of an account.
    Fork(AccountId),
    /// Any receipt of an account.
    Chain(AccountId),
}

/// Why an item is not accepted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It may be later, when these are there.
    Missing(Vec<Name>),
    /// It never will be.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A receipt as the rules see it, signed or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) account: AccountId,
    pub(crate) seq: u64,
    pub(crate) prev: Option<ReceiptId>,
    pub(crate) epoch: u64,
    pub(crate) body: &'a Body,
    /// Root of the leaves that a trial mint opens.
    pub(crate) opened_root: Option<[u8; 32]>,
}

/// What follows from accepting a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) after: Balances,
    pub(crate) facts: Facts,
}

/// How a receipt moves its chain's balances.
enum Move {
    /// Not at all.
    Nothing,
    /// Into vesting.
    Earn(Ucr),
    /// From vesting to spendable.
    Vest(Ucr),
    /// From spendable to held.
    Hold(Ucr),
    /// A hold ends: so much leaves held, so much of it returns to spendable.
    Release { held: Ucr, returned: Ucr },
}

/// The rules over one set.
pub(crate) struct Judge<'a> {
    pub(crate) set: &'a Set,
    pub(crate) charter: &'a Charter,
    pub(crate) terms: &'a dyn ClaimTerms,
    pub(crate) sabotage: Sabotage,
}

/// What a body names.
pub(crate) fn names(body: &Body) -> Vec<Name> {
    match body {
        Body::Genesis(_) | Body::Claim(_) | Body::Hold(_) => Vec::new(),
        Body::Attest(attest) => vec![Name::Receipt(attest.claim), Name::Draw(attest.draw)],
        Body::Mint(Mint::Trial(mint)) => {
            let attests = mint.attests.iter().map(|id| Name::Receipt(*id));
            [Name::Receipt(mint.claim), Name::Draw(mint.draw)].into_iter().chain(attests).collect()
        }
        Body::Mint(Mint::Fee(mint)) => vec![Name::Receipt(mint.attest), Name::Receipt(mint.mint)],
        Body::Vest(vest) => {
            let both =
                |entry: &crate::body::VestEntry| [Name::Receipt(entry.receipt), Name::Anchor(entry.anchor)];
            vest.entries.iter().flat_map(both).collect()
        }
        Body::Settle(settle) => vec![Name::Receipt(settle.hold)],
        Body::Release(release) => {
            let proof = match release.proof {
                ReleaseProof::Settle(id) | ReleaseProof::ExpiredBy(id) => Name::Receipt(id),
                ReleaseProof::ForkOf(account) => Name::Fork(account),
            };
            vec![Name::Receipt(release.hold), proof]
        }
    }
}

/// Votes that a mint needs.
pub(crate) fn confirmations(charter: &Charter, sabotage: Sabotage) -> u32 {
    if sabotage == Sabotage::MintWithOne { 1 } else { charter.rules.voting.confirmations }
}

impl Judge<'_> {
    /// Whether something is in the set.
    pub(crate) fn has(&self, name: &Name) -> bool {
        match name {
            Name::Receipt(id) => self.set.entry(id).is_some(),
            Name::Draw(id) => self.set.draws.contains_key(id),
            Name::Anchor(id) => self.set.anchors.contains_key(id),
            Name::Fork(account) => self.set.chains.get(account).is_some_and(|chain| chain.fork.is_some()),
            Name::Chain(account) => self.set.chains.contains_key(account),
        }
    }

    fn require(&self, names: &[Name]) -> Result<(), Stop> {
        let missing: Vec<Name> = names.iter().filter(|name| !self.has(name)).copied().collect();
        if missing.is_empty() { Ok(()) } else { Err(Stop::Missing(missing)) }
    }

    /// Tries a receipt: place, epochs, names, the rules of its kind, arithmetic.
    /// The balances it states are for the caller to compare.
    pub(crate) fn receipt(&self, receipt: &Candidate<'_>) -> Result<Judged, Stop> {
        let before = self.before(receipt)?;
        let names = names(receipt.body);
        self.require(&names)?;
        self.check_epochs(receipt, &names)?;
        let (moved, facts) = self.kind(receipt)?;
        Ok(Judged { after: apply(moved, before)?, facts })
    }

    /// The balances before the receipt, if it fits on its predecessor.
    fn before(&self, receipt: &Candidate<'_>) -> Result<Balances, Stop> {
        let Some(prev) = receipt.prev else { return Ok(Balances::default()) };
        self.require(&[Name::Receipt(prev)])?;
        let Entry { receipt: prev, .. } = self.set.entry(&prev).expect("was just required");
        if prev.account != receipt.account || prev.seq.checked_add(1) != Some(receipt.seq) {
            return Err(Refusal::WrongPlace.into());
        }
        if receipt.epoch < prev.epoch {
            return Err(Refusal::EpochBackwards.into());
        }
        Ok(prev.after)
    }

    fn check_epochs(&self, receipt: &Candidate<'_>, names: &[Name]) -> Result<(), Refusal> {
        let epoch = |name: &Name| match name {
            Name::Receipt(id) => self.set.entry(id).map(|entry| entry.receipt.epoch),
            Name::Draw(id) => self.set.draws.get(id).map(|draw| draw.epoch),
            Name::Anchor(id) => self.set.anchors.get(id).map(|anchor| anchor.epoch),
            Name::Fork(_) | Name::Chain(_) => None,
        };
        let latest = names.iter().filter_map(epoch).max();
        if latest.is_some_and(|latest| receipt.epoch < latest) {
            return Err(Refusal::EpochBeforeNamed);
        }
        Ok(())
    }

    fn kind(&self, receipt: &Candidate<'_>) -> Result<(Move, Facts), Refusal> {
        match receipt.body {
            Body::Genesis(genesis) => {
                let founder = self.charter.founder(&receipt.account);
                if founder.is_some_and(|founder| founder.vrf_key != genesis.vrf_key) {
                    return Err(Refusal::WrongVrfKey);
                }
                Ok((Move::Nothing, Facts::default()))
            }
            Body::Claim(claim) => self.claim(receipt, claim),
            Body::Attest(attest) => self.attest(receipt, attest),
            Body::Mint(Mint::Trial(mint)) => self.trial_mint(receipt, mint),
            Body::Mint(Mint::Fee(mint)) => self.fee_mint(receipt, mint),
            Body::Vest(vest) => self.vest(receipt, vest),
            Body::Hold(hold) => self.hold(receipt, hold),
            Body::Settle(settle) => self.settle(receipt, settle),
            Body::Release(release) => self.release(receipt, release),
        }
    }

    /// Tries a draw.
    pub(crate) fn draw(&self, draw: &Draw) -> Result<(), Stop> {
        self.require(&[Name::Receipt(draw.claim)])?;
        let claim = self.set.entry(&draw.claim).expect("was just required");
        if !matches!(claim.receipt.body, Body::Claim(_)) {
            return Err(Refusal::WrongName.into());
        }
        let claimant = &claim.receipt.account;
        if draw.shares.iter().any(|share| share.epoch < claim.receipt.epoch) {
            return Err(Refusal::EpochBeforeNamed.into());
        }
        if !draw.shares.iter().all(|share| self.charter.serves(&share.founder, claimant)) {
            return Err(Refusal::NotAFounder.into());
        }
        if draw.shares.len() != self.charter.quorum_for(claimant) {
            return Err(Refusal::WrongQuorum.into());
        }
        Ok(())
    }

    /// Tries an anchor.
    pub(crate) fn anchor(&self, anchor: &Anchor) -> Result<(), Stop> {
        self.require(&[Name::Receipt(anchor.receipt)])?;
        let over = &self.set.entry(&anchor.receipt).expect("was just required").receipt;
        if over.account != anchor.account || over.seq != anchor.seq {
            return Err(Refusal::WrongName.into());
        }
        if anchor.epoch < over.epoch {
            return Err(Refusal::EpochBeforeNamed.into());
        }
        let can_be_listed = |id: &ReceiptId| {
            self.set.is_on_path(id, &over.id)
                && matches!(
                    self.set.entry(id).map(|entry| &entry.receipt.body),
                    Some(Body::Mint(_) | Body::Settle(_) | Body::Release(_))
                )
        };
        if !anchor.listed.iter().all(can_be_listed) {
            return Err(Refusal::WrongListing.into());
        }
        Ok(())
    }

    /// Tries a fork proof.
    pub(crate) fn fork(&self, account: AccountId) -> Result<(), Stop> {
        self.require(&[Name::Chain(account)])
    }

    /// A receipt that lies below this one in its chain.
    fn own(&self, receipt: &Candidate<'_>, id: &ReceiptId) -> Option<&Entry> {
        let prev = receipt.prev.as_ref()?;
        self.set.entry(id).filter(|_| self.set.is_on_path(id, prev))
    }

    /// Whether an earlier receipt of this chain uses another in this way.
    fn is_used(&self, receipt: &Candidate<'_>, of: Use, id: &ReceiptId) -> bool {
        self.set.uses(of, id).iter().any(|user| self.own(receipt, user).is_some())
    }
}

/// The balances after a move, checked at both ends.
fn apply(moved: Move, before: Balances) -> Result<Balances, Refusal> {
    let add = |to: Ucr, amount: Ucr| to.checked_add(amount).ok_or(Refusal::Overflow);
    let take = |from: Ucr, amount: Ucr| from.checked_sub(amount).ok_or(Refusal::NotEnough);
    let Balances { spendable, held, vesting, earned } = before;
    Ok(match moved {
        Move::Nothing => before,
        Move::Earn(amount) => {
            Balances { vesting: add(vesting, amount)?, earned: add(earned, amount)?, ..before }
        }
        Move::Vest(amount) => {
            Balances { vesting: take(vesting, amount)?, spendable: add(spendable, amount)?, ..before }
        }
        Move::Hold(amount) => {
            Balances { spendable: take(spendable, amount)?, held: add(held, amount)?, ..before }
        }
        Move::Release { held: ended, returned } => {
            Balances { held: take(held, ended)?, spendable: add(spendable, returned)?, ..before }
        }
    })
}
