//! Serving blobs: one request for each stream, answered by a verified bao stream.
//!
//! The bytes are checked against the hash tree while they are read, so that a
//! file that changes under us ends the stream instead of reaching a peer.

use std::io::{self, Write};
use std::sync::Arc;

use bao_tree::io::EncodeError;
use bao_tree::io::sync::encode_ranges_validated;
use bao_tree::{ChunkNum, ChunkRanges};
use bytes::Bytes;
use proto::ids::BlobHash;
use proto::wire::blob::{Answer, Get};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::store::Verified;
use super::{BlobStore, CHUNK_BYTES, CHUNKS_WAITING_MAX, GROUP, IDLE, on_disk_thread, status};

/// Connections of blob peers at the same time; each costs some hundred KiB.
const CONNECTIONS_MAX: usize = 64;

/// Blobs sent at the same time: each holds a disk thread.
const TRANSFERS_MAX: usize = 16;

/// Reset code of a stream that cannot be continued.
const BROKEN: u32 = 1;

/// Accepts blob peers until the endpoint is closed.
pub(super) async fn accept(endpoint: quinn::Endpoint, store: BlobStore) {
    let transfers = Arc::new(Semaphore::new(TRANSFERS_MAX));
    while let Some(incoming) = endpoint.accept().await {
        if endpoint.open_connections() >= CONNECTIONS_MAX {
            incoming.refuse();
            continue;
        }
        tokio::spawn(serve_connection(incoming, store.clone(), Arc::clone(&transfers)));
    }
}

async fn serve_connection(incoming: quinn::Incoming, store: BlobStore, transfers: Arc<Semaphore>) {
    let Ok(connecting) = incoming.accept() else {
        return;
    };
    let Ok(Ok(connection)) = timeout(IDLE, connecting).await else {
        return;
    };
    let peer = connection.remote_address();
    // Their number on one connection is bounded by the transport.
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept_bi() => {
                let Ok((send, receive)) = accepted else {
                    return;
                };
                let (store, transfers) = (store.clone(), Arc::clone(&transfers));
                streams.spawn(async move {
                    if let Err(error) = serve_stream(send, receive, store, transfers).await {
                        tracing::debug!(%peer, %error, "blob not served");
                    }
                });
            }
            Some(_) = streams.join_next() => {}
            // A peer could otherwise keep all places with connections that ask for nothing.
            () = sleep(IDLE), if streams.is_empty() => return,
        }
    }
}

/// Why a stream was given up.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("request cannot be read")]
    Request(#[from] super::MessageError),
    #[error("request is not valid")]
    Invalid,
    #[error("peer stopped reading")]
    Write(#[from] quinn::WriteError),
    #[error("peer was silent for too long")]
    Idle(#[from] tokio::time::error::Elapsed),
    #[error("blob changed while it was sent")]
    Damaged,
    #[error("blob cannot be read")]
    Encode(#[source] EncodeError),
}

async fn serve_stream(
    mut send: quinn::SendStream,
    mut receive: quinn::RecvStream,
    store: BlobStore,
    transfers: Arc<Semaphore>,
) -> Result<(), ServeError> {
    let request: Get = timeout(IDLE, super::read_message(&mut receive)).await??;
    let hash = BlobHash::try_from(&request.hash[..]).map_err(|_| ServeError::Invalid)?;
    let Ok(_permit) = transfers.try_acquire() else {
        return answer(&mut send, status::BUSY, 0).await;
    };
    let opened = {
        let store = store.clone();
        on_disk_thread(move || store.open_verified(&hash)).await
    };
    let verified = match opened {
        Ok(verified) => verified,
        Err(error) => {
            tracing::debug!(blob = %hash, %error, "blob not found");
            return answer(&mut send, status::NOT_FOUND, 0).await;
        }
    };
    let size = verified.tree().size();
    if request.from > size || !request.from.is_multiple_of(GROUP.bytes() as u64) {
        return Err(ServeError::Invalid);
    }
    let found = Answer { status: status::FOUND, size };
    timeout(IDLE, super::write_message(&mut send, &found)).await??;
    let sent = send_blob(&mut send, verified, request.from).await;
    match &sent {
        // The peer may have closed the stream itself by now, which is as good.
        Ok(()) => drop(send.finish()),
        Err(_) => drop(send.reset(BROKEN.into())),
    }
    if matches!(sent, Err(ServeError::Damaged)) {
        on_disk_thread(move || store.condemn(&hash)).await;
    }
    sent
}

async fn answer(send: &mut quinn::SendStream, status: u32, size: u64) -> Result<(), ServeError> {
    timeout(IDLE, super::write_message(send, &Answer { status, size })).await??;
    drop(send.finish());
    Ok(())
}

async fn send_blob(send: &mut quinn::SendStream, verified: Verified, from: u64) -> Result<(), ServeError> {
    let (chunks, mut waiting) = mpsc::channel(CHUNKS_WAITING_MAX);
    let encoding = tokio::task::spawn_blocking(move || encode(verified, from, chunks));
    while let Some(chunk) = waiting.recv().await {
        timeout(IDLE, send.write_chunk(chunk)).await??;
    }
    match encoding.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(EncodeError::LeafHashMismatch(_) | EncodeError::ParentHashMismatch(_))) => {
            Err(ServeError::Damaged)
        }
        Ok(Err(error)) => Err(ServeError::Encode(error)),
        Err(stopped) => Err(ServeError::Encode(EncodeError::Io(io::Error::other(stopped)))),
    }
}

fn encode(verified: Verified, from: u64, chunks: mpsc::Sender<Bytes>) -> Result<(), EncodeError> {
    let ranges = ChunkRanges::from(ChunkNum(from / 1024)..);
    let mut writer = io::BufWriter::with_capacity(CHUNK_BYTES, ChunkWriter(chunks));
    encode_ranges_validated(&verified.file, &verified.outboard, &ranges, &mut writer)?;
    Ok(writer.flush()?)
}

/// Hands written bytes to the network task and waits while it is behind.
struct ChunkWriter(mpsc::Sender<Bytes>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::ConnectionReset.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
