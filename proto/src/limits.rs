//! Every bound on what may cross a wire or a pipe, with its reason.

/// Body of one signed receipt, draw or anchor: a mint with 64 segments and 16
/// blocks needs 2,900 bytes.
pub const RECEIPT_BYTES_MAX: usize = 4 << 10;

/// One gossip message: a mint with everything it names fits.
pub const GOSSIP_BYTES_MAX: usize = 32 << 10;

/// Items of one gossip message.
pub const GOSSIP_ITEMS_MAX: usize = 32;

/// One request between peers.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// One answer between peers; anything larger is a blob.
pub const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Room that an answer of items leaves below [`RESPONSE_BYTES_MAX`] for its own
/// framing and its list of heads.
pub const RESPONSE_ITEMS_BYTES_MAX: usize = 768 << 10;

/// Heads in one request: 1,000 of 110 bytes would not fit, 500 do.
pub const HEADS_MAX: usize = 500;

/// One frame between daemon and worker: no frame carries a state, only its name.
pub const WORKER_FRAME_BYTES_MAX: usize = 64 << 10;

/// Canonical bytes of a recipe; the first schema needs under 64.
pub const RECIPE_BYTES_MAX: usize = 1 << 10;

/// Segments of a trial.
pub const SEGMENTS_MAX: u32 = 64;

/// Evaluation blocks of a track.
pub const EVAL_BLOCKS_MAX: u32 = 16;

/// Attestations a mint may name.
pub const MINT_ATTESTS_MAX: usize = 16;

/// Receipts one vest may name.
pub const VEST_ENTRIES_MAX: usize = 32;

/// Receipts one anchor may list.
pub const ANCHOR_LISTED_MAX: usize = 64;

/// Founders of a charter, and so shares of a draw.
pub const FOUNDERS_MAX: usize = 16;

/// One blob; the largest state of the first tracks has 20 MB.
pub const BLOB_BYTES_MAX: u64 = 4 << 30;

/// One message of the blob protocol before the bao stream.
pub const BLOB_FRAME_BYTES_MAX: usize = 256;

/// One charter file.
pub const CHARTER_BYTES_MAX: usize = 16 << 10;
