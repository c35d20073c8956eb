//! Reports on their way to the parent.

use std::io::Write;

use proto::frame::{self, FrameError};
use proto::limits::WORKER_FRAME_BYTES_MAX;
use proto::wire::worker::{Report, report};

/// The pipe to the parent.
pub(super) struct Reports<W> {
    output: W,
}

impl<W: Write> Reports<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output }
    }

    /// Writes one report.
    pub(super) fn send(&mut self, report: report::Report) -> Result<(), FrameError> {
        frame::write(&mut self.output, &Report { report: Some(report) }, WORKER_FRAME_BYTES_MAX)
    }
}
