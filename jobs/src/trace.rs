//! The trace of a trial: collected from a worker's reports, opened for checkers and for the mint.
//!
//! Leaves and tree are the ledger's formulas, [`credits::trace`]; how states and losses are hashed
//! is the engine's.

use credits::{BlockOpening, TrialMint, trace};
use proto::ids::{AccountId, BlobHash, DrawId, ReceiptId};
use proto::limits::{EVAL_BLOCKS_MAX, SEGMENTS_MAX};
use proto::wire::sync as wire;

/// Hashes in a path: the tree of the most leaves, 1 + 64 + 16, is 7 levels high.
pub const PATH_MAX: usize = (1 + SEGMENTS_MAX + EVAL_BLOCKS_MAX).ilog2() as usize + 1;

/// A report that does not fit the trace so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A state out of order, or after the last segment.
    #[error("the state after segment {got} was reported, the one after {expected} was next")]
    StateOrder {
        /// The segment reported.
        got: u32,
        /// The segment expected.
        expected: u32,
    },
    /// A block out of order, or after the last.
    #[error("block {got} was reported, {expected} was next")]
    BlockOrder {
        /// The block reported.
        got: u32,
        /// The block expected.
        expected: u32,
    },
    /// A segment that was run again and came out otherwise.
    #[error("segment {segment} was run twice with different results")]
    Contradiction {
        /// The segment; 0 is the initial state.
        segment: u32,
    },
    /// Not all states and blocks are there.
    #[error("the trace has {states} states and {blocks} blocks and is not complete")]
    Incomplete {
        /// States, the initial one included.
        states: usize,
        /// Evaluation blocks.
        blocks: usize,
    },
}

/// The state after one segment and the hash of the segment's losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    state: BlobHash,
    losses: [u8; 32],
}

/// Collects a trace in the order of a run: initial state, segments, blocks.
#[derive(Debug, Clone)]
pub struct TraceBuilder {
    segments: u32,
    blocks: u32,
    states: Vec<State>,
    openings: Vec<BlockOpening>,
}

impl TraceBuilder {
    /// An empty trace of a trial of `segments` segments on a track of `blocks` blocks.
    pub fn new(segments: u32, blocks: u32) -> Self {
        Self { segments, blocks, states: Vec::new(), openings: Vec::new() }
    }

    /// Takes the initial state.
    ///
    /// # Errors
    /// [`TraceError::Contradiction`] if another one was reported before.
    pub fn initial(&mut self, state: BlobHash) -> Result<(), TraceError> {
        self.take(0, State { state, losses: [0; 32] })
    }

    /// Takes the state after `segment`, from 1. A segment run again must come out the same.
    ///
    /// # Errors
    /// [`TraceError::StateOrder`] or [`TraceError::Contradiction`].
    pub fn segment(&mut self, segment: u32, state: BlobHash, losses: [u8; 32]) -> Result<(), TraceError> {
        if segment == 0 || segment > self.segments {
            return Err(TraceError::StateOrder { got: segment, expected: self.states.len() as u32 });
        }
        self.take(segment, State { state, losses })
    }

    /// Takes evaluation block `block`, from 0.
    ///
    /// # Errors
    /// [`TraceError::BlockOrder`].
    pub fn block(&mut self, block: u32, opening: BlockOpening) -> Result<(), TraceError> {
        let expected = self.openings.len() as u32;
        if block != expected || block >= self.blocks {
            return Err(TraceError::BlockOrder { got: block, expected });
        }
        self.openings.push(opening);
        Ok(())
    }

    /// The last segment whose state is known; `None` before the initial state.
    pub fn last_segment(&self) -> Option<u32> {
        (self.states.len() as u32).checked_sub(1)
    }

    /// The whole trace.
    ///
    /// # Errors
    /// [`TraceError::Incomplete`].
    pub fn finish(self) -> Result<Trace, TraceError> {
        let (states, blocks) = (self.states.len(), self.openings.len());
        if states != self.segments as usize + 1 || blocks != self.blocks as usize {
            return Err(TraceError::Incomplete { states, blocks });
        }
        Ok(Trace { states: self.states, openings: self.openings })
    }

    fn take(&mut self, segment: u32, state: State) -> Result<(), TraceError> {
        let expected = self.states.len() as u32;
        match self.states.get(segment as usize) {
            Some(before) if *before == state => Ok(()),
            Some(_) => Err(TraceError::Contradiction { segment }),
            None if segment == expected => {
                self.states.push(state);
                Ok(())
            }
            None => Err(TraceError::StateOrder { got: segment, expected }),
        }
    }
}

/// A complete trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    states: Vec<State>,
    openings: Vec<BlockOpening>,
}

impl Trace {
    /// Segments of the trial.
    pub fn segments(&self) -> u32 {
        self.states.len() as u32 - 1
    }

    /// The state after `segment`; 0 is the initial one.
    pub fn state(&self, segment: u32) -> Option<BlobHash> {
        self.states.get(segment as usize).map(|state| state.state)
    }

    /// The leaves of the initial state and of every segment.
    pub fn segment_leaves(&self) -> Vec<[u8; 32]> {
        (0..).zip(&self.states).map(|(segment, state)| leaf(segment, &state.state, &state.losses)).collect()
    }

    /// The evaluation blocks.
    pub fn blocks(&self) -> &[BlockOpening] {
        &self.openings
    }

    /// All leaves in order.
    pub fn leaves(&self) -> Vec<[u8; 32]> {
        let blocks = (0..).zip(&self.openings).map(|(block, opening)| block_leaf(block, opening));
        self.segment_leaves().into_iter().chain(blocks).collect()
    }

    /// The Merkle root that the claim carries.
    pub fn root(&self) -> [u8; 32] {
        trace::root(&self.leaves())
    }

    /// Bits per byte times 10^6, rounded down: the sum of all blocks over `eval_bytes`. Above the
    /// range of the result, its largest value.
    ///
    /// # Panics
    /// If `eval_bytes` is 0; no track has no evaluation.
    pub fn metric_microbits(&self, eval_bytes: u64) -> u64 {
        let sum: u128 = self.openings.iter().map(|block| u128::from(block.sum_microbits)).sum();
        u64::try_from(sum / u128::from(eval_bytes)).unwrap_or(u64::MAX)
    }

    /// The mint that opens this trace.
    pub fn open(&self, claim: ReceiptId, draw: DrawId, attests: Vec<ReceiptId>) -> TrialMint {
        let (segment_leaves, blocks) = (self.segment_leaves(), self.openings.clone());
        TrialMint { claim, draw, attests, segment_leaves, blocks }
    }

    /// The state after `segment` with its path to the root, for a checker.
    pub fn open_state(&self, segment: u32) -> Option<OpenedState> {
        let State { state, losses } = *self.states.get(segment as usize)?;
        let path = trace::path(&self.leaves(), segment as usize);
        Some(OpenedState { state, losses, path })
    }

    /// What a checker of `segment` (from 1) needs: its start state, and the final state unless
    /// `segment` is the last.
    pub fn answer_check(&self, segment: u32) -> Option<wire::CheckAnswer> {
        let last = self.segments();
        if !(1..=last).contains(&segment) {
            return None;
        }
        let start = self.open_state(segment - 1)?.to_wire();
        let end = if segment == last { None } else { Some(self.open_state(last)?.to_wire()) };
        Some(wire::CheckAnswer { start: Some(start), end })
    }
}

/// A state of a trace with its path to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedState {
    /// The state's hash, which is its blob.
    pub state: BlobHash,
    /// The hash of its segment's losses; zero for the initial state.
    pub losses: [u8; 32],
    /// Siblings from the bottom up.
    pub path: Vec<[u8; 32]>,
}

impl OpenedState {
    /// Whether this is the state after `segment` in a trace of that root and shape.
    pub fn is_in(&self, root: &[u8; 32], segments: u32, blocks: u32, segment: u32) -> bool {
        let count = 1 + segments as usize + blocks as usize;
        let leaf = leaf(segment, &self.state, &self.losses);
        segment <= segments && trace::is_in(root, count, segment as usize, &leaf, &self.path)
    }

    /// The wire form.
    pub fn to_wire(&self) -> wire::OpenedState {
        wire::OpenedState {
            state_hash: self.state.to_vec(),
            losses_hash: self.losses.to_vec(),
            path: self.path.iter().map(|hash| hash.to_vec()).collect(),
        }
    }

    /// Reads the wire form; `None` for hashes of another length or a path of more than [`PATH_MAX`].
    pub fn from_wire(wire: &wire::OpenedState) -> Option<Self> {
        if wire.path.len() > PATH_MAX {
            return None;
        }
        let hash = |bytes: &Vec<u8>| <[u8; 32]>::try_from(&bytes[..]).ok();
        Some(Self {
            state: BlobHash::new(hash(&wire.state_hash)?),
            losses: hash(&wire.losses_hash)?,
            path: wire.path.iter().map(hash).collect::<Option<_>>()?,
        })
    }
}

/// What a checker got from its part of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// The initial state, recomputed.
    pub initial: BlobHash,
    /// The segment replayed, from 1.
    pub segment: u32,
    /// The state after it.
    pub end: BlobHash,
    /// The hash of its losses.
    pub losses: [u8; 32],
    /// The block evaluated, from 0.
    pub block: u32,
    /// Its sum and the hash of its nats.
    pub opening: BlockOpening,
}

impl Replay {
    /// The digest that `attester` signs.
    pub fn digest(&self, attester: &AccountId) -> [u8; 32] {
        let initial = trace::leaf_init(&self.initial);
        let segment = trace::leaf_segment(self.segment, &self.end, &self.losses);
        trace::attest_digest(attester, &initial, &segment, &block_leaf(self.block, &self.opening))
    }
}

fn leaf(segment: u32, state: &BlobHash, losses: &[u8; 32]) -> [u8; 32] {
    if segment == 0 { trace::leaf_init(state) } else { trace::leaf_segment(segment, state, losses) }
}

fn block_leaf(block: u32, opening: &BlockOpening) -> [u8; 32] {
    trace::leaf_block(block, opening.sum_microbits, &opening.nats_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(block: u32) -> BlockOpening {
        BlockOpening { sum_microbits: 1000 + u64::from(block), nats_hash: [block as u8; 32] }
    }

    fn state(segment: u32) -> BlobHash {
        BlobHash::new([segment as u8 + 1; 32])
    }

    fn builder(segments: u32, blocks: u32) -> TraceBuilder {
        let mut builder = TraceBuilder::new(segments, blocks);
        builder.initial(state(0)).unwrap();
        for segment in 1..=segments {
            builder.segment(segment, state(segment), [segment as u8; 32]).unwrap();
        }
        for block in 0..blocks {
            builder.block(block, opening(block)).unwrap();
        }
        builder
    }

    fn trace(segments: u32, blocks: u32) -> Trace {
        builder(segments, blocks).finish().unwrap()
    }

    #[test]
    fn leaves_are_the_ledgers_in_its_order() {
        let expected = [
            trace::leaf_init(&BlobHash::new([1; 32])),
            trace::leaf_segment(1, &BlobHash::new([2; 32]), &[1; 32]),
            trace::leaf_segment(2, &BlobHash::new([3; 32]), &[2; 32]),
            trace::leaf_block(0, 1000, &[0; 32]),
            trace::leaf_block(1, 1001, &[1; 32]),
        ];
        let trace = trace(2, 2);
        assert_eq!(trace.leaves(), expected);
        assert_eq!(trace.root(), trace::root(&expected));
        assert_eq!((trace.segments(), trace.state(2), trace.state(3)), (2, Some(state(2)), None));
    }

    #[test]
    fn the_metric_is_the_sum_over_the_bytes_rounded_down() {
        assert_eq!(trace(1, 3).metric_microbits(10), 300);
        assert_eq!(trace(1, 3).metric_microbits(3003), 1);
        assert_eq!(trace(1, 3).metric_microbits(3004), 0);
    }

    #[test]
    fn the_mint_opens_the_same_leaves() {
        let trace = trace(3, 4);
        let mint = trace.open(ReceiptId::new([1; 32]), DrawId::new([2; 32]), vec![ReceiptId::new([3; 32])]);
        assert_eq!(mint.leaves(), trace.leaves());
    }

    #[test]
    fn a_checker_that_got_the_same_signs_the_digest_that_the_mint_opens() {
        let mint = trace(3, 4).open(ReceiptId::new([1; 32]), DrawId::new([2; 32]), Vec::new());
        let attester = AccountId::new([9; 32]);
        for (segment, block) in [(1, 0), (2, 3), (3, 1)] {
            let replay = Replay {
                initial: state(0),
                segment,
                end: state(segment),
                losses: [segment as u8; 32],
                block,
                opening: opening(block),
            };
            assert_eq!(Some(replay.digest(&attester)), mint.digest_for(&attester, segment, block));
            let wrong = Replay { initial: state(1), ..replay };
            assert_ne!(wrong.digest(&attester), replay.digest(&attester));
        }
    }

    #[test]
    fn an_opened_state_is_in_its_place_and_nowhere_else() {
        for (segments, blocks) in [(1, 1), (4, 16), (64, 16)] {
            let trace = trace(segments, blocks);
            let root = trace.root();
            for segment in 0..=segments {
                let opened = trace.open_state(segment).unwrap();
                assert_eq!(OpenedState::from_wire(&opened.to_wire()), Some(opened.clone()));
                assert!(opened.is_in(&root, segments, blocks, segment), "{segment} of {segments}");
                assert!(!opened.is_in(&root, segments, blocks, segment + 1));
                assert!(!opened.is_in(&root, segments + 1, blocks, segment));
                assert!(!opened.is_in(&[0; 32], segments, blocks, segment));
                let other = OpenedState { state: BlobHash::new([0; 32]), ..opened };
                assert!(!other.is_in(&root, segments, blocks, segment));
            }
            assert_eq!(trace.open_state(segments + 1), None);
        }
    }

    #[test]
    fn an_answer_leaves_out_the_end_of_the_last_segment() {
        let trace = trace(3, 2);
        let states = |segment| {
            let answer = trace.answer_check(segment)?;
            let state = |opened: wire::OpenedState| OpenedState::from_wire(&opened).unwrap().state;
            Some((answer.start.map(state), answer.end.map(state)))
        };
        assert_eq!(states(0), None);
        assert_eq!(states(1), Some((Some(state(0)), Some(state(3)))));
        assert_eq!(states(3), Some((Some(state(2)), None)));
        assert_eq!(states(4), None);
    }

    #[test]
    fn malformed_opened_states_are_not_read() {
        let good = trace(64, 16).open_state(0).unwrap().to_wire();
        assert_eq!(good.path.len(), 7);
        assert!(OpenedState::from_wire(&good).is_some());
        let longer = wire::OpenedState { path: vec![vec![0; 32]; 8], ..good.clone() };
        let short = wire::OpenedState { state_hash: vec![0; 31], ..good.clone() };
        let empty = wire::OpenedState { losses_hash: vec![], ..good.clone() };
        let crooked = wire::OpenedState { path: vec![vec![0; 33]], ..good };
        for wire in [longer, short, empty, crooked] {
            assert_eq!(OpenedState::from_wire(&wire), None, "{wire:?}");
        }
    }

    #[test]
    fn a_segment_run_again_must_come_out_the_same() {
        let mut builder = builder(2, 1);
        assert_eq!(builder.initial(state(0)), Ok(()));
        assert_eq!(builder.segment(1, state(1), [1; 32]), Ok(()));
        assert_eq!(builder.initial(state(5)), Err(TraceError::Contradiction { segment: 0 }));
        assert_eq!(builder.segment(1, state(5), [1; 32]), Err(TraceError::Contradiction { segment: 1 }));
        assert_eq!(builder.segment(2, state(2), [9; 32]), Err(TraceError::Contradiction { segment: 2 }));
    }

    #[test]
    fn reports_out_of_order_and_gaps_are_errors() {
        let mut builder = TraceBuilder::new(2, 1);
        assert_eq!(builder.last_segment(), None);
        let order = |got, expected| Err(TraceError::StateOrder { got, expected });
        assert_eq!(builder.segment(1, state(1), [1; 32]), order(1, 0));
        builder.initial(state(0)).unwrap();
        assert_eq!(builder.segment(2, state(2), [2; 32]), order(2, 1));
        assert_eq!(builder.segment(0, state(0), [0; 32]), order(0, 1));
        builder.segment(1, state(1), [1; 32]).unwrap();
        builder.segment(2, state(2), [2; 32]).unwrap();
        assert_eq!(builder.segment(3, state(3), [3; 32]), order(3, 3));
        assert_eq!(builder.last_segment(), Some(2));
        assert_eq!(builder.block(1, opening(1)), Err(TraceError::BlockOrder { got: 1, expected: 0 }));
        assert_eq!(builder.clone().finish(), Err(TraceError::Incomplete { states: 3, blocks: 0 }));
        builder.block(0, opening(0)).unwrap();
        assert_eq!(builder.block(1, opening(1)), Err(TraceError::BlockOrder { got: 1, expected: 1 }));
        assert!(builder.finish().is_ok());
    }
}
