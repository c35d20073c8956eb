//! Fetching one blob from one source, verified group by group while it arrives.
//!
//! Every error that blames the source names it. Choosing sources and trying the
//! next one is the caller's business.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bao_tree::io::sync::DecodeResponseIter;
use bao_tree::io::{BaoContentItem, DecodeError};
use bao_tree::{BaoTree, ChunkRanges};
use bytes::{Buf, Bytes};
use proto::ids::{AccountId, BlobHash};
use proto::wire::blob::{Answer, Get};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::store::Unfinished;
use super::{BlobStore, CHUNK_BYTES, CHUNKS_WAITING_MAX, GROUP, IDLE, StoreError, status};
use crate::net::translate;

/// A source slower than this over the whole transfer is given up, so that one
/// that drips a byte now and then cannot hold a fetch for ever.
const RATE_BYTES_PER_SECOND_MIN: u64 = 16 << 10;

/// Grace on top of the time that the slowest rate allows.
const TRANSFER_GRACE: Duration = Duration::from_secs(30);

/// Why a blob could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is of a kind that this endpoint cannot reach.
    #[error("cannot ask {from} for blobs at {at}")]
    Address {
        /// The source.
        from: AccountId,
        /// Its address.
        at: SocketAddr,
        /// What the endpoint said.
        source: quinn::ConnectError,
    },
    /// No connection came about, or it broke.
    #[error("connection to {from} failed")]
    Connection {
        /// The source.
        from: AccountId,
        /// What broke.
        source: quinn::ConnectionError,
    },
    /// Somebody else answers at that address.
    #[error("peer at {at} is not {expected}")]
    Identity {
        /// Who was asked for.
        expected: AccountId,
        /// Who answered, if it is an account at all.
        found: Option<AccountId>,
        /// The address.
        at: SocketAddr,
    },
    /// The source was silent for ten seconds, or too slow overall.
    #[error("{from} is too slow")]
    TooSlow {
        /// The source.
        from: AccountId,
    },
    /// The source does not have the blob.
    #[error("{from} does not have blob {hash}")]
    NotFound {
        /// The source.
        from: AccountId,
        /// The blob.
        hash: BlobHash,
    },
    /// The source is serving too many others.
    #[error("{from} is busy")]
    Busy {
        /// The source.
        from: AccountId,
    },
    /// The source announced more bytes than were asked for.
    #[error("{from} offers {size} bytes where at most {size_max} are wanted")]
    TooLarge {
        /// The source.
        from: AccountId,
        /// The size it announced, in bytes.
        size: u64,
        /// The caller's bound in bytes.
        size_max: u64,
    },
    /// The source sent bytes that are not the blob's.
    #[error("{from} sent wrong bytes for blob {hash} after {verified} good ones")]
    Corrupt {
        /// The source.
        from: AccountId,
        /// The blob.
        hash: BlobHash,
        /// Bytes that had been verified before.
        verified: u64,
    },
    /// The source broke off in the middle.
    #[error("{from} broke off after {verified} bytes of blob {hash}")]
    BrokenOff {
        /// The source.
        from: AccountId,
        /// The blob.
        hash: BlobHash,
        /// Bytes that had been verified before.
        verified: u64,
    },
    /// The source does not follow the protocol.
    #[error("{from} does not speak the blob protocol")]
    Protocol {
        /// The source.
        from: AccountId,
    },
    /// The own store failed.
    #[error("fetched blob cannot be stored")]
    Store(#[from] StoreError),
}

/// What to fetch and from whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) hash: BlobHash,
    pub(super) from: AccountId,
    pub(super) size_max: u64,
}

/// Connects and proves that the other end is `from`.
pub(super) async fn connect(
    endpoint: &quinn::Endpoint,
    config: quinn::ClientConfig,
    from: AccountId,
    at: SocketAddr,
) -> Result<quinn::Connection, FetchError> {
    // The name is not used: the certificate carries the peer's key instead.
    let connecting = endpoint.connect_with(config, at, "blob").map_err(|source| FetchError::Address {
        from,
        at,
        source,
    })?;
    let connection = timeout(IDLE, connecting)
        .await
        .map_err(|_| FetchError::TooSlow { from })?
        .map_err(|source| FetchError::Connection { from, source })?;
    let found = proven_account(&connection);
    if found != Some(from) {
        connection.close(1_u32.into(), b"not the peer asked for");
        return Err(FetchError::Identity { expected: from, found, at });
    }
    Ok(connection)
}

/// The account whose key signed the other end's certificate.
fn proven_account(connection: &quinn::Connection) -> Option<AccountId> {
    let identity = connection.peer_identity()?;
    let certificates = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let certificate = libp2p_tls::certificate::parse(certificates.first()?).ok()?;
    translate::account_of(&certificate.peer_id())
}

/// Asks for the blob and stores it.
pub(super) async fn transfer(
    connection: &quinn::Connection,
    wanted: Wanted,
    store: BlobStore,
) -> Result<PathBuf, FetchError> {
    let Wanted { hash, from, size_max } = wanted;
    let asked = timeout(IDLE, ask(connection, wanted)).await;
    let (receive, answer) = asked.map_err(|_| FetchError::TooSlow { from })??;
    let size = match answer.status {
        status::FOUND => answer.size,
        status::NOT_FOUND => return Err(FetchError::NotFound { from, hash }),
        status::BUSY => return Err(FetchError::Busy { from }),
        _ => return Err(FetchError::Protocol { from }),
    };
    if size > size_max {
        return Err(FetchError::TooLarge { from, size, size_max });
    }
    let unfinished = super::on_disk_thread(move || store.begin(size)).await?;
    let (chunks, waiting) = mpsc::channel(CHUNKS_WAITING_MAX);
    let reader = ChunkReader { chunks: waiting, current: Bytes::new() };
    let storing = tokio::task::spawn_blocking(move || decode(wanted, size, reader, unfinished));
    let longest = TRANSFER_GRACE + Duration::from_secs(size / RATE_BYTES_PER_SECOND_MIN);
    let pumped = timeout(longest, pump(receive, chunks, from)).await;
    let stored = super::joined(storing).await;
    match (pumped, stored) {
        (_, Ok(path)) => Ok(path),
        // The decoder only saw the stream end; why it ended is the better answer.
        (Err(_), Err(FetchError::BrokenOff { .. })) => Err(FetchError::TooSlow { from }),
        (Ok(Err(error)), Err(FetchError::BrokenOff { .. })) => Err(error),
        (_, Err(error)) => Err(error),
    }
}

async fn ask(
    connection: &quinn::Connection,
    wanted: Wanted,
) -> Result<(quinn::RecvStream, Answer), FetchError> {
    let Wanted { hash, from, .. } = wanted;
    let broken = |source| FetchError::Connection { from, source };
    let (mut send, mut receive) = connection.open_bi().await.map_err(broken)?;
    let request = Get { hash: hash.to_vec(), from: 0 };
    let written = super::write_message(&mut send, &request).await;
    written.map_err(|_| FetchError::Protocol { from })?;
    // Nothing more will be written; an error means that the peer stopped already.
    drop(send.finish());
    let answer = super::read_message(&mut receive).await.map_err(|_| FetchError::Protocol { from })?;
    Ok((receive, answer))
}

/// Moves received bytes to the decoder until either ends.
async fn pump(
    mut receive: quinn::RecvStream,
    chunks: mpsc::Sender<Bytes>,
    from: AccountId,
) -> Result<(), FetchError> {
    loop {
        let read = timeout(IDLE, receive.read_chunk(CHUNK_BYTES, true)).await;
        let chunk = match read.map_err(|_| FetchError::TooSlow { from })? {
            Ok(Some(chunk)) => chunk.bytes,
            // The decoder knows better than we whether the end came too early.
            Ok(None) | Err(quinn::ReadError::Reset(_)) => return Ok(()),
            Err(quinn::ReadError::ConnectionLost(source)) => {
                return Err(FetchError::Connection { from, source });
            }
            Err(_) => return Err(FetchError::Protocol { from }),
        };
        if chunks.send(chunk).await.is_err() {
            // The decoder has all it needs, or has found a fault and will say so.
            return Ok(());
        }
    }
}

/// Verifies and writes until the blob is complete; runs on a thread that may block.
fn decode(
    wanted: Wanted,
    size: u64,
    reader: ChunkReader,
    mut unfinished: Unfinished,
) -> Result<PathBuf, FetchError> {
    let Wanted { hash, from, .. } = wanted;
    let tree = BaoTree::new(size, GROUP);
    let ranges = ChunkRanges::all();
    let root = blake3::Hash::from_bytes(*hash.as_bytes());
    let mut verified = 0;
    for item in DecodeResponseIter::new(root, tree, reader, &ranges) {
        match item {
            Ok(BaoContentItem::Parent(_)) => {}
            // With all ranges asked for, leaves come in the order of the file.
            Ok(BaoContentItem::Leaf(leaf)) => {
                unfinished.append(&leaf.data)?;
                verified += leaf.data.len() as u64;
            }
            Err(DecodeError::ParentHashMismatch(_) | DecodeError::LeafHashMismatch(_)) => {
                return Err(FetchError::Corrupt { from, hash, verified });
            }
            Err(DecodeError::ParentNotFound(_) | DecodeError::LeafNotFound(_) | DecodeError::Io(_)) => {
                return Err(FetchError::BrokenOff { from, hash, verified });
            }
        }
    }
    match unfinished.finish(Some(hash)) {
        Ok((_, path)) => Ok(path),
        Err(StoreError::WrongHash { .. }) => Err(FetchError::Corrupt { from, hash, verified }),
        Err(error) => Err(error.into()),
    }
}

/// Reads what the network task sends; ends when it is gone.
struct ChunkReader {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
