//! A track: what a trial runs on and is measured by. Its manifest in canonical bytes is its id.
//!
//! The numbers of the built-in tracks stand here and nowhere else.

use std::ops::Range;

use prost::Message;
use proto::ids::{BlobHash, TrackId};
use proto::limits::{EVAL_BLOCKS_MAX, RECIPE_BYTES_MAX};
use proto::wire::work;

use crate::decimal::Decimal;
use crate::recipe::{BytesError, Optimizer, Recipe};

/// Number of this schema in the canonical bytes.
pub const SCHEMA: u32 = 1;

/// Number of the price table of [`crate::gas`], the only one there is.
pub const GAS_TABLE: u32 = 1;

/// Canonical bytes of a manifest: its baseline, two names and 120 bytes of numbers.
pub const TRACK_BYTES_MAX: usize = RECIPE_BYTES_MAX + 512;

/// Letters of a track's or profile's name.
pub const NAME_BYTES_MAX: usize = 32;

/// Least context.
pub const CONTEXT_MIN: u32 = 16;

/// Most context.
pub const CONTEXT_MAX: u32 = 1024;

/// Most budget: far above the largest rung, far below an overflow.
pub const BUDGET_GAS_MAX: u64 = 1_000_000_000_000_000_000;

/// Most evaluation windows.
pub const EVAL_WINDOWS_MAX: u32 = 65_536;

const ID_CONTEXT: &str = "swarm track id v1";

/// BLAKE3 of the corpus of track R11.
const R11_CORPUS: [u8; 32] = [
    0xe9, 0xce, 0xcd, 0x66, 0x18, 0xa7, 0x5d, 0x40, 0xad, 0x3a, 0xd2, 0xdd, 0x65, 0x8c, 0x16, 0xc7, 0x83,
    0xd3, 0x74, 0xb2, 0xe9, 0x2f, 0x13, 0x94, 0x09, 0x79, 0xd2, 0xfb, 0x15, 0x41, 0x89, 0xba,
];

/// Bytes of the corpus that R11 trains on.
const R11_TRAIN: Range<u64> = 0..11_094_015;

/// Bytes of the corpus that R11 validates on.
const R11_VALIDATION: Range<u64> = 11_094_015..11_160_284;

/// Bytes of one sequence of R11.
const R11_CONTEXT: u32 = 64;

/// Gas of one trial on R11.
const R11_BUDGET_GAS: u64 = 100_000_000_000;

/// Validation windows of R11, 16 blocks of 64: all but the last 733 of its validation bytes.
const R11_EVAL_WINDOWS: u32 = 1024;

/// Blocks of R11's validation windows.
const R11_EVAL_BLOCKS: u32 = 16;

/// A trial of R11 is paid up to this many micro-bits per byte: what the baseline reaches with a
/// quarter of the budget (`training/benches/README.md`).
const R11_PAY_FLOOR_MICROBITS: u64 = 3_780_000;

/// Where every search on R11 begins.
const R11_BASELINE: Recipe = Recipe {
    depth: 2,
    width: 32,
    heads: 2,
    mlp_ratio_eighths: 32,
    learning_rate: Decimal::literal(100, -4),
    weight_decay: Decimal::literal(100, -4),
    warmup_milli: 50,
    warmdown_milli: 500,
    tokens_per_step: 512,
    init_scale: Decimal::literal(100, -2),
    optimizer: Optimizer::AdamW,
};

/// A track's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its name: lower-case letters, digits and hyphens.
    pub name: String,
    /// BLAKE3 of the corpus, the text unpacked.
    pub corpus: BlobHash,
    /// Bytes of the corpus that are trained on.
    pub train: Range<u64>,
    /// Bytes of the corpus that the validation windows lie in.
    pub validation: Range<u64>,
    /// Bytes of one sequence.
    pub context: u32,
    /// Gas of one trial.
    pub budget_gas: u64,
    /// Number of the price table.
    pub gas_table: u32,
    /// Validation windows, each `context` targets.
    pub eval_windows: u32,
    /// Blocks of windows, the unit that a checker re-evaluates.
    pub eval_blocks: u32,
    /// How numbers are computed.
    pub numeric_profile: String,
    /// Where every search begins.
    pub baseline: Recipe,
    /// A trial is paid up to this many micro-bits per byte.
    pub pay_floor_microbits: u64,
}

/// Bytes that are no manifest, or a manifest out of bounds, in the order in which they are found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackError {
    /// Longer than any manifest may be.
    #[error("{length} bytes are more than a track manifest may have")]
    TooLong {
        /// Their length.
        length: usize,
    },
    /// No protobuf message of this type.
    #[error("the bytes are no track manifest")]
    Malformed(#[from] prost::DecodeError),
    /// A schema this version does not know.
    #[error("track schema {schema} is unknown, {SCHEMA} is known")]
    Schema {
        /// The number found.
        schema: u32,
    },
    /// A corpus hash that is not 32 bytes.
    #[error("the corpus hash is not 32 bytes")]
    Corpus,
    /// A baseline that is no recipe.
    #[error("the baseline is no recipe")]
    Baseline(#[from] BytesError),
    /// A name of other characters, empty or too long.
    #[error("a name is not 1 to {NAME_BYTES_MAX} lower-case letters, digits and hyphens")]
    Name,
    /// Context out of range or odd.
    #[error("context {context} is not an even number from {CONTEXT_MIN} to {CONTEXT_MAX}")]
    Context {
        /// The manifest's.
        context: u32,
    },
    /// A budget of nothing, or above the bound.
    #[error("budget {budget_gas} is outside 1 to {BUDGET_GAS_MAX} gas")]
    Budget {
        /// The manifest's.
        budget_gas: u64,
    },
    /// A price table this version does not know.
    #[error("price table {table} is unknown, {GAS_TABLE} is known")]
    GasTable {
        /// The number found.
        table: u32,
    },
    /// Windows or blocks out of range, or blocks of unequal size.
    #[error("{windows} windows cannot be split into {blocks} equal blocks")]
    Blocks {
        /// Validation windows.
        windows: u32,
        /// Blocks.
        blocks: u32,
    },
    /// A part of the corpus too short for its sequences.
    #[error("a part of the corpus is shorter than its sequences")]
    TooShort,
    /// Training and validation share bytes.
    #[error("training and validation bytes overlap")]
    Overlap,
    /// The same manifest, but not in its one canonical form.
    #[error("the bytes are not the canonical form of their manifest")]
    NotCanonical,
}

impl Track {
    /// Track R11, the smallest rung: seconds on two cores.
    pub fn r11() -> Self {
        Self {
            name: "r11".to_owned(),
            corpus: BlobHash::new(R11_CORPUS),
            train: R11_TRAIN,
            validation: R11_VALIDATION,
            context: R11_CONTEXT,
            budget_gas: R11_BUDGET_GAS,
            gas_table: GAS_TABLE,
            eval_windows: R11_EVAL_WINDOWS,
            eval_blocks: R11_EVAL_BLOCKS,
            numeric_profile: "burn-0-22-1".to_owned(),
            baseline: R11_BASELINE,
            pay_floor_microbits: R11_PAY_FLOOR_MICROBITS,
        }
    }

    /// Every track that comes with the program.
    pub fn builtin() -> [Self; 1] {
        [Self::r11()]
    }

    /// The built-in track of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::builtin().into_iter().find(|track| track.name == name)
    }

    /// The built-in track of an id.
    pub fn by_id(id: &TrackId) -> Option<Self> {
        Self::builtin().into_iter().find(|track| track.id() == *id)
    }

    /// The canonical bytes: protobuf fields in ascending order, defaults left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        work::Track {
            schema: SCHEMA,
            name: self.name.clone(),
            corpus: self.corpus.to_vec(),
            train_from: self.train.start,
            train_to: self.train.end,
            validation_from: self.validation.start,
            validation_to: self.validation.end,
            context: self.context,
            budget_gas: self.budget_gas,
            gas_table: self.gas_table,
            eval_windows: self.eval_windows,
            eval_blocks: self.eval_blocks,
            numeric_profile: self.numeric_profile.clone(),
            baseline: self.baseline.to_bytes(),
            pay_floor_microbits: self.pay_floor_microbits,
        }
        .encode_to_vec()
    }

    /// Reads canonical bytes within bounds.
    ///
    /// # Errors
    /// As the variants of [`TrackError`] say. Whether the track admits its own baseline is asked
    /// with [`Recipe::check`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrackError> {
        if bytes.len() > TRACK_BYTES_MAX {
            return Err(TrackError::TooLong { length: bytes.len() });
        }
        let wire = work::Track::decode(bytes)?;
        if wire.schema != SCHEMA {
            return Err(TrackError::Schema { schema: wire.schema });
        }
        let track = Self {
            name: wire.name,
            corpus: BlobHash::try_from(&wire.corpus[..]).map_err(|_| TrackError::Corpus)?,
            train: wire.train_from..wire.train_to,
            validation: wire.validation_from..wire.validation_to,
            context: wire.context,
            budget_gas: wire.budget_gas,
            gas_table: wire.gas_table,
            eval_windows: wire.eval_windows,
            eval_blocks: wire.eval_blocks,
            numeric_profile: wire.numeric_profile,
            baseline: Recipe::from_bytes(&wire.baseline)?,
            pay_floor_microbits: wire.pay_floor_microbits,
        };
        track.check()?;
        if track.to_bytes() != bytes {
            return Err(TrackError::NotCanonical);
        }
        Ok(track)
    }

    /// The track's id: the BLAKE3 hash of its canonical bytes in derive-key mode.
    pub fn id(&self) -> TrackId {
        TrackId::new(blake3::derive_key(ID_CONTEXT, &self.to_bytes()))
    }

    /// UTF-8 bytes that the validation targets stand for, the denominator of bits per byte.
    pub fn eval_bytes(&self) -> u64 {
        u64::from(self.eval_windows) * u64::from(self.context)
    }

    /// The bytes of validation window `window`: the context and one more, the last target.
    ///
    /// Windows follow each other from the start of the validation bytes, `context` apart.
    ///
    /// # Panics
    /// If there is no such window.
    pub fn window(&self, window: u32) -> Range<u64> {
        assert!(window < self.eval_windows, "window {window} of {}", self.eval_windows);
        let context = u64::from(self.context);
        let start = self.validation.start + u64::from(window) * context;
        start..start + context + 1
    }

    /// The windows of evaluation block `block`.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn block_windows(&self, block: u32) -> Range<u32> {
        assert!(block < self.eval_blocks, "block {block} of {}", self.eval_blocks);
        let size = self.eval_windows / self.eval_blocks;
        block * size..(block + 1) * size
    }

    fn check(&self) -> Result<(), TrackError> {
        if !is_name(&self.name) || !is_name(&self.numeric_profile) {
            return Err(TrackError::Name);
        }
        let context = self.context;
        if !(CONTEXT_MIN..=CONTEXT_MAX).contains(&context) || !context.is_multiple_of(2) {
            return Err(TrackError::Context { context });
        }
        if !(1..=BUDGET_GAS_MAX).contains(&self.budget_gas) {
            return Err(TrackError::Budget { budget_gas: self.budget_gas });
        }
        if self.gas_table != GAS_TABLE {
            return Err(TrackError::GasTable { table: self.gas_table });
        }
        let (windows, blocks) = (self.eval_windows, self.eval_blocks);
        let in_range = (1..=EVAL_WINDOWS_MAX).contains(&windows) && (1..=EVAL_BLOCKS_MAX).contains(&blocks);
        if !in_range || !windows.is_multiple_of(blocks) {
            return Err(TrackError::Blocks { windows, blocks });
        }
        let length = |part: &Range<u64>| part.end.saturating_sub(part.start);
        if length(&self.train) <= u64::from(context) || length(&self.validation) <= self.eval_bytes() {
            return Err(TrackError::TooShort);
        }
        if self.train.start < self.validation.end && self.validation.start < self.train.end {
            return Err(TrackError::Overlap);
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn bytes_and_id_are_frozen() {
        let track = fixtures::track();
        assert_eq!(
            track.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "08011204746573741a20010101010101010101010101010101010101010101010101010101010101\
             010128e80730e80738c00c4010488094ebdc035001582060086a0763616e6f6e2d31722608011001\
             181020022810320508ac0210093a0408641005406448f40350205a0408641003600178c096b102"
        );
        assert_eq!(
            track.id().to_string(),
            "6c61efd84d70f1ba37aae57f74c20b40fd6a5639b5228c8a18f6e0e261d0bb42"
        );
        assert_eq!(Track::from_bytes(&track.to_bytes()), Ok(track));
    }

    #[test]
    fn built_in_tracks_are_in_bounds_and_admit_their_baseline() {
        for track in Track::builtin() {
            assert_eq!(Track::from_bytes(&track.to_bytes()), Ok(track.clone()));
            assert_eq!(track.baseline.check(&track), Ok(()));
            assert_eq!(Track::by_id(&track.id()), Some(track.clone()));
            assert_eq!(Track::by_name(&track.name), Some(track));
        }
        assert_eq!(Track::by_name("r12"), None);
        assert_eq!(Track::by_id(&TrackId::new([0; 32])), None);
    }

    /// `change` is refused like this; `neighbour` just is not.
    fn check(change: impl Fn(&mut Track), neighbour: impl Fn(&mut Track), expected: TrackError) {
        let mut track = fixtures::track();
        neighbour(&mut track);
        assert_eq!(Track::from_bytes(&track.to_bytes()), Ok(track.clone()), "neighbour of {expected}");
        change(&mut track);
        assert_eq!(Track::from_bytes(&track.to_bytes()), Err(expected));
    }

    #[test]
    fn each_bound_refuses_and_its_neighbour_escapes() {
        check(|t| t.name = String::new(), |t| t.name = "a".to_owned(), TrackError::Name);
        check(|t| t.name = "a".repeat(33), |t| t.name = "a".repeat(32), TrackError::Name);
        check(
            |t| t.numeric_profile = "A".to_owned(),
            |t| t.numeric_profile = "a-1".to_owned(),
            TrackError::Name,
        );
        let context = |context| TrackError::Context { context };
        check(|t| t.context = 14, |t| t.context = 16, context(14));
        check(|t| t.context = 17, |t| t.context = 18, context(17));
        let long = |t: &mut Track| {
            (t.context, t.eval_windows, t.eval_blocks) = (1024, 1, 1);
            (t.train, t.validation) = (0..2000, 2000..4000);
        };
        check(|t| t.context = 1026, long, context(1026));
        let budget = |budget_gas| TrackError::Budget { budget_gas };
        check(|t| t.budget_gas = 0, |t| t.budget_gas = 1, budget(0));
        check(
            |t| t.budget_gas = BUDGET_GAS_MAX + 1,
            |t| t.budget_gas = BUDGET_GAS_MAX,
            budget(BUDGET_GAS_MAX + 1),
        );
        check(|t| t.gas_table = 0, |t| t.gas_table = 1, TrackError::GasTable { table: 0 });
        check(|t| t.gas_table = 2, |t| t.gas_table = 1, TrackError::GasTable { table: 2 });
        let blocks = |windows, blocks| TrackError::Blocks { windows, blocks };
        check(|t| t.eval_blocks = 0, |t| t.eval_blocks = 1, blocks(32, 0));
        check(|t| t.eval_blocks = 17, |t| t.eval_blocks = 16, blocks(32, 17));
        check(|t| t.eval_blocks = 3, |t| t.eval_blocks = 4, blocks(32, 3));
        check(|t| t.eval_windows = 0, |t| t.eval_windows = 8, blocks(0, 8));
        let wide = |t: &mut Track| (t.validation, t.eval_windows) = (1000..2_000_000, 65_536);
        check(|t| t.eval_windows = 65_544, wide, blocks(65_544, 8));
        check(|t| t.train = 0..16, |t| t.train = 0..17, TrackError::TooShort);
        check(|t| t.train = Range { start: 17, end: 0 }, |t| t.train = 0..17, TrackError::TooShort);
        check(|t| t.validation = 1000..1512, |t| t.validation = 1000..1513, TrackError::TooShort);
        check(|t| t.train = 0..1001, |t| t.train = 0..1000, TrackError::Overlap);
        check(|t| t.train = 1599..3000, |t| t.train = 1600..3000, TrackError::Overlap);
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = fixtures::track().to_bytes();
        let changed = |change: fn(&mut work::Track)| {
            let mut wire = work::Track::decode(&good[..]).unwrap();
            change(&mut wire);
            Track::from_bytes(&wire.encode_to_vec()).unwrap_err()
        };
        assert_eq!(Track::from_bytes(&[0; 1537]).unwrap_err(), TrackError::TooLong { length: 1537 });
        assert!(matches!(Track::from_bytes(&[0; 1536]).unwrap_err(), TrackError::Malformed(_)));
        assert_eq!(changed(|wire| wire.schema = 2), TrackError::Schema { schema: 2 });
        assert_eq!(changed(|wire| wire.corpus = vec![1; 31]), TrackError::Corpus);
        assert_eq!(
            changed(|wire| wire.baseline = vec![]),
            TrackError::Baseline(BytesError::Schema { schema: 0 })
        );
        let unknown = [&good[..], &[0xa0, 0x01, 0x01]].concat();
        assert_eq!(Track::from_bytes(&unknown), Err(TrackError::NotCanonical));
    }

    #[test]
    fn windows_follow_each_other_and_blocks_share_them() {
        let track = fixtures::track();
        assert_eq!((track.window(0), track.window(31)), (1000..1017, 1496..1513));
        assert_eq!((track.block_windows(0), track.block_windows(7)), (0..4, 28..32));
        assert_eq!(track.eval_bytes(), 512);
    }
}
