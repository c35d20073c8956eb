//! Blobs between honest, damaged and lying peers.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::encode_ranges;
use bao_tree::{BlockSize, ChunkRanges};
use daemon::blobs::{BlobStore, Blobs, BlobsError, FetchError, StoreError};
use libp2p::identity::Keypair;
use proto::frame;
use proto::ids::{BlobHash, SwarmId};
use proto::wire::blob::Answer;
use quinn::crypto::rustls::QuicServerConfig;
use tempfile::TempDir;

use crate::support::{SWARM, account, within};

const QUOTA: u64 = 10 << 20;

struct Peer {
    blobs: Blobs,
    directory: TempDir,
}

fn peer(number: u8, swarm: SwarmId) -> Peer {
    let directory = tempfile::tempdir().unwrap();
    let store = BlobStore::open(directory.path(), QUOTA).unwrap();
    let blobs = Blobs::start(store, [number; 32], &swarm, "127.0.0.1:0".parse().unwrap()).unwrap();
    Peer { blobs, directory }
}

impl Peer {
    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.blobs.port()).into()
    }

    async fn fetch(&self, hash: BlobHash, from: u8, at: SocketAddr) -> Result<Vec<u8>, FetchError> {
        let fetched = within("the fetch", self.blobs.fetch(hash, account(from), at, QUOTA)).await;
        fetched.map(|path| fs::read(path).unwrap())
    }

    fn is_empty(&self) -> bool {
        let files = |path: &Path| fs::read_dir(path).unwrap().count();
        let unfinished = self.directory.path().join("unfinished");
        files(self.directory.path()) == 1 && files(&unfinished) == 0 && self.blobs.store().used_bytes() == 0
    }
}

/// Bytes without repetition, so that no two groups are alike.
fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// What a peer does that answers every request with the same bytes.
fn lie(number: u8, answer: Answer, stream: Vec<u8>) -> SocketAddr {
    let key = Keypair::ed25519_from_bytes([number; 32]).unwrap();
    let mut tls = libp2p_tls::make_server_config(&key).unwrap();
    tls.alpn_protocols = vec![format!("/swarm/{}/blob/1", SWARM.short()).into_bytes()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let connection = incoming.await.unwrap();
            let (mut send, _receive) = connection.accept_bi().await.unwrap();
            let mut bytes = frame::encode(&answer, 256).unwrap();
            bytes.extend_from_slice(&stream);
            // The other side may have heard enough before the end.
            if send.write_all(&bytes).await.is_ok() {
                send.finish().unwrap();
            }
            connection.closed().await;
        }
    });
    address
}

/// The stream of an honest peer, answer left out.
fn encoded(bytes: &[u8]) -> Vec<u8> {
    let outboard = PreOrderMemOutboard::create(bytes, BlockSize::from_chunk_log(4));
    let mut stream = Vec::new();
    encode_ranges(bytes, &outboard, &ChunkRanges::all(), &mut stream).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_of_every_shape_arrive_and_stay() {
    let (source, taker) = (peer(1, SWARM), peer(2, SWARM));
    let mut hashes = Vec::new();
    for count in [0, 1, 16 << 10, (16 << 10) + 1, 3_000_000] {
        let hash = source.blobs.store().import(&bytes(count)).unwrap();
        assert_eq!(hash.as_bytes(), blake3::hash(&bytes(count)).as_bytes());
        assert!(taker.fetch(hash, 1, source.address()).await.unwrap() == bytes(count), "{count}");
        hashes.push(hash);
    }
    assert_eq!(taker.blobs.store().used_bytes(), 3_032_770);
    // What was fetched is had: nobody is asked again.
    let nobody = source.address();
    source.blobs.shut_down().await;
    assert_eq!(taker.fetch(hashes[4], 1, nobody).await.unwrap().len(), 3_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_fetches_at_once_are_served() {
    let (source, taker) = (peer(1, SWARM), Arc::new(peer(2, SWARM)));
    let mut fetches = tokio::task::JoinSet::new();
    for number in 0..40_usize {
        let hash = source.blobs.store().import(&bytes(100_000 + number)).unwrap();
        let (taker, at) = (Arc::clone(&taker), source.address());
        fetches.spawn(async move { taker.fetch(hash, 1, at).await.map(|fetched| fetched.len()) });
    }
    let sizes = within("all fetches", fetches.join_all()).await;
    let mut sizes: Vec<_> = sizes.into_iter().map(Result::unwrap).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, (100_000..100_040).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_damaged_at_its_source_is_not_served() {
    let (source, taker) = (peer(1, SWARM), peer(2, SWARM));
    let hash = source.blobs.store().import(&bytes(100_000)).unwrap();
    let file = source.directory.path().join(hash.to_string());
    let mut damaged = fs::read(&file).unwrap();
    damaged[50_000] ^= 1;
    fs::write(&file, damaged).unwrap();
    let error = taker.fetch(hash, 1, source.address()).await.unwrap_err();
    assert!(matches!(error, FetchError::NotFound { from, .. } if from == account(1)), "{error:?}");
    assert!(error.to_string().starts_with(&account(1).to_string()));
    assert!(taker.is_empty());
    assert!(source.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_byte_is_found_in_its_group_and_its_sender_named() {
    let taker = peer(2, SWARM);
    let content = bytes(1_000_000);
    let hash = BlobHash::new(*blake3::hash(&content).as_bytes());
    let found = Answer { status: 0, size: 1_000_000 };
    let mut stream = encoded(&content);
    let at = stream.len() / 2;
    stream[at] ^= 1;
    let error = taker.fetch(hash, 7, lie(7, found, stream)).await.unwrap_err();
    let FetchError::Corrupt { from, hash: named, verified } = error else { panic!("{error:?}") };
    assert_eq!((from, named), (account(7), hash));
    // Half of the stream is half of the content, and all of it was verified but the last group.
    assert!((500_000 - (16 << 10)..=500_000).contains(&verified), "{verified}");
    assert!(taker.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_lies_are_named_and_leave_nothing() {
    let taker = peer(2, SWARM);
    let content = bytes(100_000);
    let hash = BlobHash::new(*blake3::hash(&content).as_bytes());
    let stream = encoded(&content);
    for (name, status, size, stream, expected) in [
        ("other content", 0, 100_000, encoded(&bytes(100_001)[1..]), "Corrupt"),
        ("smaller size", 0, 99_999, stream.clone(), "Corrupt"),
        ("larger size", 0, 100_001, stream.clone(), "BrokenOff"),
        ("no content", 0, 0, Vec::new(), "Corrupt"),
        ("early end", 0, 100_000, stream[..stream.len() - 1].to_vec(), "BrokenOff"),
        ("above the bound", 0, QUOTA + 1, stream.clone(), "TooLarge"),
        ("not found", 1, 0, Vec::new(), "NotFound"),
        ("busy", 2, 0, Vec::new(), "Busy"),
        ("unknown status", 3, 0, Vec::new(), "Protocol"),
    ] {
        let error = taker.fetch(hash, 7, lie(7, Answer { status, size }, stream)).await.unwrap_err();
        let text = format!("{error:?}");
        assert!(text.starts_with(expected), "{name}: {text}");
        assert!(text.contains(&format!("from: {:?}", account(7))), "{name}: {text}");
        assert!(taker.is_empty(), "{name}");
    }
    let good = lie(7, Answer { status: 0, size: 100_000 }, stream);
    assert!(taker.fetch(hash, 7, good).await.unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_blob_is_not_found() {
    let (source, taker) = (peer(1, SWARM), peer(2, SWARM));
    let error = taker.fetch(BlobHash::new([9; 32]), 1, source.address()).await.unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_at_the_address_is_refused() {
    let (source, taker) = (peer(1, SWARM), peer(2, SWARM));
    let hash = source.blobs.store().import(b"abc").unwrap();
    let error = taker.fetch(hash, 3, source.address()).await.unwrap_err();
    let FetchError::Identity { expected, found, at } = error else { panic!("{error:?}") };
    assert_eq!((expected, found, at), (account(3), Some(account(1)), source.address()));
    assert!(taker.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_swarm_does_not_get_past_the_handshake() {
    let (source, taker) = (peer(1, SWARM), peer(2, SwarmId::new([2; 32])));
    let hash = source.blobs.store().import(b"abc").unwrap();
    let error = taker.fetch(hash, 1, source.address()).await.unwrap_err();
    assert!(matches!(error, FetchError::Connection { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_takes_nothing() {
    let (source, taker) = (peer(1, SWARM), peer(2, SWARM));
    let hash = source.blobs.store().import(b"abc").unwrap();
    taker.blobs.store().import(&bytes(QUOTA as usize - 2)).unwrap();
    let error = taker.fetch(hash, 1, source.address()).await.unwrap_err();
    assert!(matches!(error, FetchError::Store(StoreError::Full { size: 3, .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_blob_port_is_an_error() {
    let source = peer(1, SWARM);
    let directory = tempfile::tempdir().unwrap();
    let store = BlobStore::open(directory.path(), QUOTA).unwrap();
    let error = Blobs::start(store, [2; 32], &SWARM, source.address()).unwrap_err();
    assert!(matches!(error, BlobsError::Bind { address, .. } if address == source.address()), "{error:?}");
}
