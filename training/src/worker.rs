//! The worker process: orders in, reports out, over length-prefixed frames.
//!
//! It knows one folder and one device. Every order is answered by `Finished` or `Failed`, and
//! nothing in an order can make it panic or leave its folder.

mod files;
mod orders;
mod reports;

use std::error::Error;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};

use proto::frame::{self, FrameError};
use proto::limits::WORKER_FRAME_BYTES_MAX;
use proto::wire::worker::{Failed, Finished, Hello, Order, order, report};

use crate::conformance;
use crate::device::{self, DeviceError, Prober, Verdict, Wanted};
use orders::{Bench, Ended};
use reports::Reports;

/// Number of the worker protocol.
pub const PROTOCOL: u32 = 1;

/// Orders that wait; a supervisor has one in progress and at most a few behind it.
const ORDERS_MAX: usize = 16;

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The device asked for.
    pub device: Wanted,
    /// How to try out a GPU; without it only the processor is used.
    pub prober: Option<Prober>,
    /// The only folder that files are read from and written to.
    pub folder: PathBuf,
}

impl Default for Options {
    /// Any device without trying out GPUs, so the processor, in the current folder.
    fn default() -> Self {
        Self { device: Wanted::Auto, prober: None, folder: PathBuf::from(".") }
    }
}

/// Why a worker ended before its orders did.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The device asked for cannot be had.
    #[error("the worker has no device")]
    Device(#[from] DeviceError),
    /// The parent is gone, or does not speak the protocol.
    #[error("the worker's pipe failed")]
    Pipe(#[from] FrameError),
    /// The engine panicked: the device may be poisoned, so the process must end.
    #[error("the engine panicked")]
    Panicked,
}

/// Serves orders until a stop or the end of the input.
///
/// `Hello` comes first, after the conformance run. A stop abandons the order in progress and
/// those sent before it, each answered by `Failed`; so does the end of the input, since then
/// nobody waits for an answer.
///
/// # Errors
/// As the variants of [`ServeError`] say.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write,
    options: Options,
) -> Result<(), ServeError> {
    let probe = |number: usize| options.prober.as_ref().map_or(Verdict::Absent, |prober| prober.ask(number));
    let (choice, device) = device::open(options.device, &probe)?;
    let memory_bytes = device::memory_bytes(choice);
    let mut reports = Reports::new(output);
    reports.send(report::Report::Hello(Hello {
        protocol: PROTOCOL,
        numeric_class: conformance::numeric_class(&device).to_vec(),
        device: choice.to_string(),
        memory_bytes: memory_bytes.unwrap_or(0),
    }))?;
    let stop = Arc::new(AtomicBool::new(false));
    let received = read_in_background(input, Arc::clone(&stop));
    let bench =
        Bench { device, memory_bytes: memory_bytes.unwrap_or(u64::MAX), folder: options.folder, stop };
    // The reader's error, or its end, ends the worker.
    while let Ok(message) = received.recv() {
        answer(&bench, &message?, &mut reports)?;
    }
    Ok(())
}

fn answer(bench: &Bench, order: &order::Order, reports: &mut Reports<impl Write>) -> Result<(), ServeError> {
    let ended = catch_unwind(AssertUnwindSafe(|| bench.carry_out(order, reports)));
    let report = match ended {
        Ok(Ok(Ended::Finished { diverged })) => report::Report::Finished(Finished { diverged }),
        Ok(Err(orders::OrderError::Pipe(error))) => return Err(error.into()),
        Ok(Err(error)) => report::Report::Failed(Failed { reason: sentence(&error) }),
        Err(_) => {
            let reason = "the engine panicked, the worker ends".to_owned();
            reports.send(report::Report::Failed(Failed { reason }))?;
            return Err(ServeError::Panicked);
        }
    };
    Ok(reports.send(report)?)
}

/// An error and its sources in one line.
fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

type Message = Result<order::Order, FrameError>;

/// Reads orders on a thread of their own, so that their end is seen in the middle of a run.
fn read_in_background(input: impl Read + Send + 'static, stop: Arc<AtomicBool>) -> Receiver<Message> {
    let (sender, receiver) = mpsc::sync_channel(ORDERS_MAX);
    std::thread::spawn(move || {
        read_orders(input, &sender);
        stop.store(true, Ordering::SeqCst);
    });
    receiver
}

fn read_orders(mut input: impl Read, sender: &SyncSender<Message>) {
    loop {
        let message = match frame::read::<Order>(&mut input, WORKER_FRAME_BYTES_MAX) {
            Ok(None | Some(Order { order: Some(order::Order::Stop(_)) })) => return,
            Ok(Some(Order { order: Some(order) })) => Ok(order),
            // An order of a later protocol has no form here.
            Ok(Some(Order { order: None })) => continue,
            Err(error) => Err(error),
        };
        let last = message.is_err();
        if sender.send(message).is_err() || last {
            return;
        }
    }
}
