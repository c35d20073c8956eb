//! The eight kinds of receipt bodies as checked values, and their wire form.
//!
//! Bounds that a body shows by itself are checked here; what it names, `rules`.

use proto::ids::{AccountId, AnchorId, DrawId, JobId, NumericClass, ReceiptId, TrackId};
use proto::limits::{EVAL_BLOCKS_MAX, MINT_ATTESTS_MAX, RECIPE_BYTES_MAX, SEGMENTS_MAX, VEST_ENTRIES_MAX};
use proto::wire::receipt as wire;

use crate::amount::Ucr;
use crate::refusal::Refusal;
use crate::trace;
use crate::voucher::Voucher;
use crate::vrf::VrfProof;

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Opens a chain.
    Genesis(Genesis),
    /// One finished trial.
    Claim(Claim),
    /// What a drawn account got when it re-ran its part of a claim.
    Attest(Attest),
    /// Credit for a claim or for an attestation.
    Mint(Mint),
    /// Moves due amounts from vesting to spendable.
    Vest(Vest),
    /// Reserves credits for a job.
    Hold(Hold),
    /// Collects from a hold.
    Settle(Settle),
    /// Returns what a hold did not pay.
    Release(Release),
}

/// Opens a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// Public key of the account's random outputs.
    pub vrf_key: [u8; 32],
    /// Machines that compute the same bits as this one.
    pub numeric_class: NumericClass,
    /// Account to which the node forwards what it earns.
    pub payout: Option<AccountId>,
    /// Digest of the key that may follow; not used in the first form.
    pub next_key_digest: Option<[u8; 32]>,
}

/// One finished trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The track it ran on.
    pub track: TrackId,
    /// Canonical bytes of the recipe.
    pub recipe: Vec<u8>,
    /// Chosen by the account; part of the trial's seed.
    pub nonce: u64,
    /// Gas of the trial.
    pub gas: u64,
    /// Bits per byte on the validation windows, times 10^6, rounded down.
    pub metric_microbits: u64,
    /// Merkle root of the trace.
    pub trace_root: [u8; 32],
    /// Segments of the trial.
    pub segments: u32,
    /// Numeric class of the machine.
    pub numeric_class: NumericClass,
}

/// What a drawn account got when it re-ran its part of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attest {
    /// The claim.
    pub claim: ReceiptId,
    /// The draw that put the account on duty.
    pub draw: DrawId,
    /// That draw's output.
    pub draw_output: [u8; 32],
    /// Round of voting, 0 in the first form.
    pub round: u32,
    /// Segment re-run, from 1.
    pub segment: u32,
    /// Evaluation block recomputed, from 0.
    pub block: u32,
    /// Digest of what came out; `None` when the claimant did not serve.
    pub digest: Option<[u8; 32]>,
    /// The account's VRF key, as in its Genesis.
    pub vrf_key: [u8; 32],
    /// The random output that makes it a duty, with its proof.
    pub proof: VrfProof,
}

/// Credit for a claim or for an attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mint {
    /// Credit for an attested claim.
    Trial(TrialMint),
    /// The fee of an attestation.
    Fee(FeeMint),
}

/// Opens the whole trace of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialMint {
    /// The claim.
    pub claim: ReceiptId,
    /// The draw whose votes it names.
    pub draw: DrawId,
    /// Confirming attestations.
    pub attests: Vec<ReceiptId>,
    /// Leaves 0 (initial state) to S (after the last segment).
    pub segment_leaves: Vec<[u8; 32]>,
    /// The evaluation blocks.
    pub blocks: Vec<BlockOpening>,
}

impl TrialMint {
    /// All leaves of the trace in order.
    pub fn leaves(&self) -> Vec<[u8; 32]> {
        let blocks = (0..).zip(&self.blocks).map(|(b, block)| block.leaf(b));
        self.segment_leaves.iter().copied().chain(blocks).collect()
    }

    /// The digest that confirms this opening; `None` for a segment or block that
    /// it does not have.
    pub fn digest_for(&self, attester: &AccountId, segment: u32, block: u32) -> Option<[u8; 32]> {
        let segment_leaf = self.segment_leaves.get(segment as usize).filter(|_| segment > 0)?;
        let block_leaf = self.blocks.get(block as usize)?.leaf(block);
        Some(trace::attest_digest(attester, &self.segment_leaves[0], segment_leaf, &block_leaf))
    }
}

/// One evaluation block of a mint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockOpening {
    /// Sum of its windows in micro-bits.
    pub sum_microbits: u64,
    /// Hash of its windows' nats.
    pub nats_hash: [u8; 32],
}

impl BlockOpening {
    fn leaf(&self, b: u32) -> [u8; 32] {
        trace::leaf_block(b, self.sum_microbits, &self.nats_hash)
    }
}

/// The fee for an attestation on the side of the votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeMint {
    /// The own attestation.
    pub attest: ReceiptId,
    /// The mint of the claim it attests.
    pub mint: ReceiptId,
}

/// Moves due amounts from vesting to spendable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vest {
    /// The due receipts of the own chain.
    pub entries: Vec<VestEntry>,
}

/// One due receipt and the anchor that opened its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VestEntry {
    /// A mint or settle of the own chain.
    pub receipt: ReceiptId,
    /// An anchor over it.
    pub anchor: AnchorId,
}

/// Reserves credits for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Who may settle it.
    pub payee: AccountId,
    /// The job.
    pub job: JobId,
    /// What is reserved.
    pub amount: Ucr,
    /// Price of one segment.
    pub per_segment: Ucr,
    /// Last epoch in which it can be settled.
    pub expiry_epoch: u64,
}

/// Collects from a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// The hold.
    pub hold: ReceiptId,
    /// The payer's highest promise; `None` when nothing is owed.
    pub voucher: Option<Voucher>,
}

impl Settle {
    /// What it collects.
    pub fn amount(&self) -> Ucr {
        self.voucher.as_ref().map_or(Ucr::ZERO, |voucher| voucher.cumulative)
    }
}

/// Returns what a hold did not pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The own hold.
    pub hold: ReceiptId,
    /// Why it has ended.
    pub proof: ReleaseProof,
}

impl Release {
    /// The settle that is its proof.
    pub fn settle(&self) -> Option<ReceiptId> {
        match self.proof {
            ReleaseProof::Settle(id) => Some(id),
            ReleaseProof::ExpiredBy(_) | ReleaseProof::ForkOf(_) => None,
        }
    }
}

/// Why a hold has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseProof {
    /// The payee settled it.
    Settle(ReceiptId),
    /// The payee's chain went past its expiry without settling it.
    ExpiredBy(ReceiptId),
    /// The payee forked.
    ForkOf(AccountId),
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Refusal> {
    bytes.try_into().map_err(|_| Refusal::Malformed)
}

fn named<'a, T: TryFrom<&'a [u8]>>(bytes: &'a [u8]) -> Result<T, Refusal> {
    T::try_from(bytes).map_err(|_| Refusal::Malformed)
}

/// An optional 32-byte field: empty on the wire means absent.
fn optional<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    if bytes.is_empty() { Ok(None) } else { read(bytes).map(Some) }
}

fn bounded(is_within: bool) -> Result<(), Refusal> {
    if is_within { Ok(()) } else { Err(Refusal::OutOfBounds) }
}

impl Body {
    /// The kind: the field number of the body on the wire.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Genesis(_) => 16,
            Self::Claim(_) => 17,
            Self::Attest(_) => 18,
            Self::Mint(_) => 19,
            Self::Vest(_) => 20,
            Self::Hold(_) => 21,
            Self::Settle(_) => 22,
            Self::Release(_) => 23,
        }
    }

    /// Root of the leaves that a mint of a claim opens.
    pub(crate) fn opened_root(&self) -> Option<[u8; 32]> {
        let Self::Mint(Mint::Trial(mint)) = self else { return None };
        Some(trace::root(&mint.leaves()))
    }

    /// Reads a body and checks the bounds it shows by itself.
    pub(crate) fn from_wire(body: &wire::receipt::Body) -> Result<Self, Refusal> {
        Ok(match body {
            wire::receipt::Body::Genesis(genesis) => Self::Genesis(Genesis {
                vrf_key: fixed(&genesis.vrf_key)?,
                numeric_class: named(&genesis.numeric_class)?,
                payout: optional(&genesis.payout, |bytes| named(bytes))?,
                next_key_digest: optional(&genesis.next_key_digest, fixed)?,
            }),
            wire::receipt::Body::Claim(claim) => Self::Claim(claim_from_wire(claim)?),
            wire::receipt::Body::Attest(attest) => Self::Attest(attest_from_wire(attest)?),
            wire::receipt::Body::Mint(mint) => Self::Mint(mint_from_wire(mint)?),
            wire::receipt::Body::Vest(vest) => Self::Vest(vest_from_wire(vest)?),
            wire::receipt::Body::Hold(hold) => Self::Hold(Hold {
                payee: named(&hold.payee)?,
                job: named(&hold.job)?,
                amount: Ucr::new(hold.amount),
                per_segment: Ucr::new(hold.per_segment),
                expiry_epoch: hold.expiry_epoch,
            }),
            wire::receipt::Body::Settle(settle) => Self::Settle(Settle {
                hold: named(&settle.hold)?,
                voucher: settle.voucher.as_ref().map(Voucher::from_wire).transpose()?,
            }),
            wire::receipt::Body::Release(release) => Self::Release(Release {
                hold: named(&release.hold)?,
                proof: match release.proof.as_ref().ok_or(Refusal::Malformed)? {
                    wire::release::Proof::Settle(id) => ReleaseProof::Settle(named(id)?),
                    wire::release::Proof::ExpiredBy(id) => ReleaseProof::ExpiredBy(named(id)?),
                    wire::release::Proof::ForkOf(account) => ReleaseProof::ForkOf(named(account)?),
                },
            }),
        })
    }

    /// The wire form.
    pub(crate) fn to_wire(&self) -> wire::receipt::Body {
        match self {
            Self::Genesis(genesis) => wire::receipt::Body::Genesis(wire::Genesis {
                vrf_key: genesis.vrf_key.to_vec(),
                numeric_class: genesis.numeric_class.to_vec(),
                payout: genesis.payout.map(AccountId::to_vec).unwrap_or_default(),
                next_key_digest: genesis.next_key_digest.map(Vec::from).unwrap_or_default(),
            }),
            Self::Claim(claim) => wire::receipt::Body::Claim(claim_to_wire(claim)),
            Self::Attest(attest) => wire::receipt::Body::Attest(attest_to_wire(attest)),
            Self::Mint(mint) => wire::receipt::Body::Mint(mint_to_wire(mint)),
            Self::Vest(vest) => {
                let entry = |entry: &VestEntry| wire::VestEntry {
                    receipt: entry.receipt.to_vec(),
                    anchor: entry.anchor.to_vec(),
                };
                wire::receipt::Body::Vest(wire::Vest { entries: vest.entries.iter().map(entry).collect() })
            }
            Self::Hold(hold) => wire::receipt::Body::Hold(wire::Hold {
                payee: hold.payee.to_vec(),
                job: hold.job.to_vec(),
                amount: hold.amount.get(),
                per_segment: hold.per_segment.get(),
                expiry_epoch: hold.expiry_epoch,
            }),
            Self::Settle(settle) => wire::receipt::Body::Settle(wire::Settle {
                hold: settle.hold.to_vec(),
                voucher: settle.voucher.as_ref().map(Voucher::to_wire),
            }),
            Self::Release(release) => wire::receipt::Body::Release(wire::Release {
                hold: release.hold.to_vec(),
                proof: Some(match release.proof {
                    ReleaseProof::Settle(id) => wire::release::Proof::Settle(id.to_vec()),
                    ReleaseProof::ExpiredBy(id) => wire::release::Proof::ExpiredBy(id.to_vec()),
                    ReleaseProof::ForkOf(account) => wire::release::Proof::ForkOf(account.to_vec()),
                }),
            }),
        }
    }
}

fn claim_from_wire(claim: &wire::Claim) -> Result<Claim, Refusal> {
    bounded((1..=RECIPE_BYTES_MAX).contains(&claim.recipe.len()))?;
    bounded((1..=SEGMENTS_MAX).contains(&claim.segments))?;
    Ok(Claim {
        track: named(&claim.track)?,
        recipe: claim.recipe.clone(),
        nonce: claim.nonce,
        gas: claim.gas,
        metric_microbits: claim.metric_microbits,
        trace_root: fixed(&claim.trace_root)?,
        segments: claim.segments,
        numeric_class: named(&claim.numeric_class)?,
    })
}

fn claim_to_wire(claim: &Claim) -> wire::Claim {
    wire::Claim {
        track: claim.track.to_vec(),
        recipe: claim.recipe.clone(),
        nonce: claim.nonce,
        gas: claim.gas,
        metric_microbits: claim.metric_microbits,
        trace_root: claim.trace_root.to_vec(),
        segments: claim.segments,
        numeric_class: claim.numeric_class.to_vec(),
    }
}

fn attest_from_wire(attest: &wire::Attest) -> Result<Attest, Refusal> {
    bounded((1..=SEGMENTS_MAX).contains(&attest.segment))?;
    bounded(attest.block < EVAL_BLOCKS_MAX)?;
    Ok(Attest {
        claim: named(&attest.claim)?,
        draw: named(&attest.draw)?,
        draw_output: fixed(&attest.draw_output)?,
        round: attest.round,
        segment: attest.segment,
        block: attest.block,
        digest: optional(&attest.digest, fixed)?,
        vrf_key: fixed(&attest.vrf_key)?,
        proof: VrfProof { output: fixed(&attest.vrf_output)?, proof: fixed(&attest.vrf_proof)? },
    })
}

fn attest_to_wire(attest: &Attest) -> wire::Attest {
    wire::Attest {
        claim: attest.claim.to_vec(),
        draw: attest.draw.to_vec(),
        draw_output: attest.draw_output.to_vec(),
        round: attest.round,
        segment: attest.segment,
        block: attest.block,
        digest: attest.digest.map(Vec::from).unwrap_or_default(),
        vrf_key: attest.vrf_key.to_vec(),
        vrf_output: attest.proof.output.to_vec(),
        vrf_proof: attest.proof.proof.to_vec(),
    }
}

fn mint_from_wire(mint: &wire::Mint) -> Result<Mint, Refusal> {
    let trial = match mint.of.as_ref().ok_or(Refusal::Malformed)? {
        wire::mint::Of::Trial(trial) => trial,
        wire::mint::Of::Fee(fee) => {
            return Ok(Mint::Fee(FeeMint { attest: named(&fee.attest)?, mint: named(&fee.mint)? }));
        }
    };
    let (leaves, rest) = trial.segment_leaves.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(Refusal::Malformed);
    }
    bounded((1..=MINT_ATTESTS_MAX).contains(&trial.attests.len()))?;
    bounded((2..=SEGMENTS_MAX as usize + 1).contains(&leaves.len()))?;
    bounded((1..=EVAL_BLOCKS_MAX as usize).contains(&trial.blocks.len()))?;
    let block = |block: &wire::BlockOpening| {
        Ok(BlockOpening { sum_microbits: block.sum_microbits, nats_hash: fixed(&block.nats_hash)? })
    };
    Ok(Mint::Trial(TrialMint {
        claim: named(&trial.claim)?,
        draw: named(&trial.draw)?,
        attests: trial.attests.iter().map(|id| named(id)).collect::<Result<_, _>>()?,
        segment_leaves: leaves.to_vec(),
        blocks: trial.blocks.iter().map(block).collect::<Result<_, Refusal>>()?,
    }))
}

fn mint_to_wire(mint: &Mint) -> wire::Mint {
    let of = match mint {
        Mint::Trial(trial) => {
            let block = |block: &BlockOpening| wire::BlockOpening {
                sum_microbits: block.sum_microbits,
                nats_hash: block.nats_hash.to_vec(),
            };
            wire::mint::Of::Trial(wire::TrialMint {
                claim: trial.claim.to_vec(),
                draw: trial.draw.to_vec(),
                attests: trial.attests.iter().map(|id| id.to_vec()).collect(),
                segment_leaves: trial.segment_leaves.concat(),
                blocks: trial.blocks.iter().map(block).collect(),
            })
        }
        Mint::Fee(fee) => {
            wire::mint::Of::Fee(wire::FeeMint { attest: fee.attest.to_vec(), mint: fee.mint.to_vec() })
        }
    };
    wire::Mint { of: Some(of) }
}

fn vest_from_wire(vest: &wire::Vest) -> Result<Vest, Refusal> {
    bounded((1..=VEST_ENTRIES_MAX).contains(&vest.entries.len()))?;
    let entry = |entry: &wire::VestEntry| {
        Ok(VestEntry { receipt: named(&entry.receipt)?, anchor: named(&entry.anchor)? })
    };
    Ok(Vest { entries: vest.entries.iter().map(entry).collect::<Result<_, Refusal>>()? })
}
