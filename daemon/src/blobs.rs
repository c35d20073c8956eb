//! Blobs: bytes named by their plain BLAKE3 hash, kept on disk and moved between peers.
//!
//! Peers exchange them over a QUIC endpoint of their own, so that bulk never
//! starves gossip. The certificates prove the peer's account, and the bytes
//! prove themselves: a wrong one is found within 16 KiB. What a blob means,
//! which ones to keep and whom to ask is decided elsewhere.

mod fetch;
mod serve;
mod store;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bao_tree::BlockSize;
use libp2p::identity::Keypair;
use prost::Message;
use proto::frame;
use proto::ids::{AccountId, BlobHash, SwarmId};
use proto::limits::BLOB_FRAME_BYTES_MAX;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

pub use fetch::FetchError;
pub use store::{BlobStore, StoreError};

/// Hashing granularity on the wire: 2^4 chunks of 1 KiB, so at most 16 KiB of a
/// bad source are read before it is named.
const GROUP: BlockSize = BlockSize::from_chunk_log(4);

/// How long either side waits for the other's next bytes.
const IDLE: Duration = Duration::from_secs(10);

/// Bytes handed at once between the disk thread and the network task.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks that may wait between the two: with [`CHUNK_BYTES`] a quarter of a
/// mebibyte for each transfer.
const CHUNKS_WAITING_MAX: usize = 4;

/// Fetches at the same time; more wait their turn.
const FETCHES_MAX: usize = 8;

/// Streams one peer may have open on one connection.
const STREAMS_MAX: u32 = 4;

/// Status values of the wire answer.
mod status {
    /// The blob follows.
    pub(super) const FOUND: u32 = 0;
    /// The blob is not here.
    pub(super) const NOT_FOUND: u32 = 1;
    /// Too many transfers run; ask later or elsewhere.
    pub(super) const BUSY: u32 = 2;
}

/// Why the blob endpoint could not start.
#[derive(Debug, thiserror::Error)]
pub enum BlobsError {
    /// The address cannot be bound.
    #[error("cannot open the blob endpoint at {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No certificate could be made for the node's key.
    #[error("cannot make a certificate for the node key")]
    Certificate(#[from] libp2p_tls::certificate::GenError),
    /// The seed is not a key.
    #[error("cannot read the node key")]
    Key(#[from] libp2p::identity::DecodingError),
    /// The TLS library offers no cipher that QUIC can start with.
    #[error("no cipher suite for quic")]
    Cipher(#[from] NoInitialCipherSuite),
}

/// The running blob endpoint of a node: it serves its store and fetches into it.
/// Dropped, it accepts nobody any more.
#[derive(Debug)]
pub struct Blobs {
    store: BlobStore,
    endpoint: quinn::Endpoint,
    client: quinn::ClientConfig,
    fetches: Arc<Semaphore>,
    port: u16,
    serving: AbortOnDropHandle<()>,
}

impl Blobs {
    /// Binds the endpoint and starts serving `store`. Must run inside a tokio runtime.
    ///
    /// `seed` is the node's key seed: peers see the account that belongs to it.
    /// Port 0 in `bind` means any; [`Blobs::port`] tells which.
    ///
    /// # Errors
    /// [`BlobsError::Bind`] when the port is in use, and the other variants as they say.
    pub fn start(
        store: BlobStore,
        seed: [u8; 32],
        swarm: &SwarmId,
        bind: SocketAddr,
    ) -> Result<Self, BlobsError> {
        let key = Keypair::ed25519_from_bytes(seed)?;
        let alpn = vec![alpn(swarm)];
        let transport = Arc::new(transport());

        let mut tls = libp2p_tls::make_server_config(&key)?;
        tls.alpn_protocols.clone_from(&alpn);
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
        server.transport_config(Arc::clone(&transport));
        server.migration(false);

        // The peer id is compared after the handshake instead of inside it, so
        // that a mismatch can be told apart from a broken connection.
        let mut tls = libp2p_tls::make_client_config(&key, None)?;
        tls.alpn_protocols = alpn;
        let mut client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        client.transport_config(transport);

        let bound = quinn::Endpoint::server(server, bind)
            .and_then(|endpoint| endpoint.local_addr().map(|address| (endpoint, address.port())));
        let (endpoint, port) = bound.map_err(|source| BlobsError::Bind { address: bind, source })?;
        let serving = AbortOnDropHandle::new(tokio::spawn(serve::accept(endpoint.clone(), store.clone())));
        let fetches = Arc::new(Semaphore::new(FETCHES_MAX));
        Ok(Self { store, endpoint, client, fetches, port, serving })
    }

    /// The UDP port that peers reach this endpoint at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The store that is served and fetched into.
    pub fn store(&self) -> &BlobStore {
        &self.store
    }

    /// Brings a blob from the peer `from` at address `at` into the store.
    ///
    /// Returns at once when the store has it already. Every group is verified
    /// before it is written, and the file appears in the store only when complete.
    ///
    /// # Errors
    /// Each variant of [`FetchError`] that blames a source names it; after any
    /// error nothing of the transfer is left in the store.
    pub async fn fetch(
        &self,
        hash: BlobHash,
        from: AccountId,
        at: SocketAddr,
        size_max: u64,
    ) -> Result<PathBuf, FetchError> {
        let store = self.store.clone();
        if let Ok(path) = on_disk_thread(move || store.get(&hash)).await {
            return Ok(path);
        }
        // The semaphore is never closed, so that an error cannot happen; without
        // a permit the fetch would only lack its bound.
        let _permit = self.fetches.acquire().await.ok();
        let connection = fetch::connect(&self.endpoint, self.client.clone(), from, at).await?;
        let wanted = fetch::Wanted { hash, from, size_max };
        let result = fetch::transfer(&connection, wanted, self.store.clone()).await;
        connection.close(0_u32.into(), b"done");
        result
    }

    /// Stops serving and closes all connections.
    pub async fn shut_down(self) {
        self.endpoint.close(0_u32.into(), b"stopping");
        // A panic while serving has been reported by the runtime already.
        let _joined = self.serving.await;
    }
}

/// The protocol name offered in the TLS handshake: peers of another swarm do not
/// get past it.
fn alpn(swarm: &SwarmId) -> Vec<u8> {
    format!("/swarm/{}/blob/1", swarm.short()).into_bytes()
}

fn transport() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    let idle = quinn::IdleTimeout::try_from(IDLE).expect("ten seconds fit a QUIC idle timeout");
    transport.max_idle_timeout(Some(idle));
    transport.max_concurrent_bidi_streams(STREAMS_MAX.into());
    transport.max_concurrent_uni_streams(0_u32.into());
    transport.datagram_receive_buffer_size(None);
    transport
}

/// Why one protocol message could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// The stream broke or ended.
    #[error("stream failed")]
    Stream(#[from] quinn::ReadExactError),
    /// The announced length is above the bound.
    #[error("message of {0} bytes is too long")]
    TooLong(u32),
    /// The bytes are not the expected message.
    #[error("message does not decode")]
    Malformed(#[from] prost::DecodeError),
}

async fn read_message<M: Message + Default>(stream: &mut quinn::RecvStream) -> Result<M, MessageError> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let length = u32::from_le_bytes(prefix);
    if length as usize > BLOB_FRAME_BYTES_MAX {
        return Err(MessageError::TooLong(length));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    Ok(M::decode(&bytes[..])?)
}

async fn write_message<M: Message>(
    stream: &mut quinn::SendStream,
    message: &M,
) -> Result<(), quinn::WriteError> {
    let bytes = frame::encode(message, BLOB_FRAME_BYTES_MAX)
        .expect("a blob message holds one hash and two numbers and fits its frame");
    stream.write_all(&bytes).await
}

/// Runs file work where it may block.
async fn on_disk_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// The result of a disk thread; its panic goes on here.
async fn joined<T>(thread: JoinHandle<T>) -> T {
    match thread.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => panic!("disk thread stopped with the runtime: {cancelled}"),
        },
    }
}
