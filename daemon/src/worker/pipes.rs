//! The three pipes of a worker, each read or written by a task of its own, so that a
//! full or silent one never holds up the others.

use prost::Message;
use proto::frame;
use proto::limits::WORKER_FRAME_BYTES_MAX;
use proto::wire::worker::{Order, Report, order, report};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::Garbage;

/// What is kept of standard error: the last lines name the cause.
const STDERR_BYTES_MAX: usize = 4 << 10;

/// Frames read ahead; what waits further waits in the pipe.
pub(super) const FRAMES_MAX: usize = 8;

/// What goes to the worker, told before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Something to do.
    Work,
    /// A stop, or nobody is left who could order anything.
    Stop,
}

/// Reads frames until the output ends or makes no sense.
pub(super) async fn read_frames(
    mut output: impl AsyncRead + Unpin,
    frames: mpsc::Sender<Result<report::Report, Garbage>>,
) {
    while let Some(frame) = read_frame(&mut output).await {
        let is_last = frame.is_err();
        if frames.send(frame).await.is_err() || is_last {
            return;
        }
    }
}

/// The next report; `None` at the end of the output.
async fn read_frame(output: &mut (impl AsyncRead + Unpin)) -> Option<Result<report::Report, Garbage>> {
    let mut prefix = [0; 4];
    // A pipe whose worker is gone ends, it does not fail: both mean that nothing comes.
    let first = output.read(&mut prefix).await.unwrap_or(0);
    if first == 0 {
        return None;
    }
    if output.read_exact(&mut prefix[first..]).await.is_err() {
        return Some(Err(Garbage::CutOff));
    }
    let length = u32::from_le_bytes(prefix);
    if length as usize > WORKER_FRAME_BYTES_MAX {
        return Some(Err(Garbage::TooLong(length)));
    }
    let mut bytes = vec![0; length as usize];
    if output.read_exact(&mut bytes).await.is_err() {
        return Some(Err(Garbage::CutOff));
    }
    let report = Report::decode(&bytes[..]).ok().and_then(|report| report.report);
    Some(report.ok_or(Garbage::Malformed))
}

/// Writes orders until there are no more or the worker no longer reads.
pub(super) async fn write_orders(
    mut input: impl AsyncWrite + Unpin,
    mut orders: mpsc::Receiver<Order>,
    sent: mpsc::Sender<Sent>,
) {
    while let Some(order) = orders.recv().await {
        let frame = match frame::encode(&order, WORKER_FRAME_BYTES_MAX) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!(%error, "order not sent");
                break;
            }
        };
        let kind = match order.order {
            Some(order::Order::Run(_) | order::Order::Evaluate(_) | order::Order::Export(_)) => Sent::Work,
            Some(order::Order::Stop(_)) | None => Sent::Stop,
        };
        let is_watched = sent.send(kind).await.is_ok();
        if !is_watched || input.write_all(&frame).await.is_err() {
            return;
        }
    }
    // Whether the supervisor still listens or not, the input is closed now.
    let _ = sent.send(Sent::Stop).await;
}

/// Keeps the end of what comes on standard error.
pub(super) async fn keep_tail(mut errors: impl AsyncRead + Unpin, tail: watch::Sender<Vec<u8>>) {
    let mut chunk = [0; 1 << 10];
    loop {
        let read = errors.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        tail.send_modify(|kept| {
            kept.extend_from_slice(&chunk[..read]);
            let surplus = kept.len().saturating_sub(STDERR_BYTES_MAX);
            kept.drain(..surplus);
        });
    }
}
