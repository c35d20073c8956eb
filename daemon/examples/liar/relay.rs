//! An honest worker with a liar between it and the daemon.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use proto::frame;
use proto::limits::WORKER_FRAME_BYTES_MAX;
use proto::wire::worker::{Order, Report, order, report};
use training::worker::{self, Options};

/// What a liar changes; the default is honest.
pub(crate) trait Lie: Send {
    /// The order that the honest worker gets instead.
    fn order(&mut self, order: order::Order) -> order::Order {
        order
    }

    /// The reports that the daemon gets instead.
    fn report(&mut self, report: report::Report) -> Vec<report::Report> {
        vec![report]
    }
}

/// Serves orders from standard input, lying on the way in and out.
pub(crate) fn run(lie: impl Lie + 'static) -> io::Result<()> {
    let (orders, mut orders_in) = io::pipe()?;
    let (mut reports, reports_out) = io::pipe()?;
    // Held for one order or report at a time, by the two threads that pass them on.
    let lie = Arc::new(Mutex::new(lie));
    thread::spawn(move || worker::serve(orders, reports_out, Options::default()));
    let inward = Arc::clone(&lie);
    thread::spawn(move || {
        while let Ok(Some(Order { order: Some(order) })) =
            frame::read(&mut io::stdin(), WORKER_FRAME_BYTES_MAX)
        {
            let order = inward.lock().expect("a liar does not panic").order(order);
            if frame::write(&mut orders_in, &Order { order: Some(order) }, WORKER_FRAME_BYTES_MAX).is_err() {
                return;
            }
        }
    });
    while let Ok(Some(Report { report: Some(report) })) = frame::read(&mut reports, WORKER_FRAME_BYTES_MAX) {
        for report in lie.lock().expect("a liar does not panic").report(report) {
            frame::write(&mut io::stdout(), &Report { report: Some(report) }, WORKER_FRAME_BYTES_MAX)
                .map_err(io::Error::other)?;
        }
    }
    Ok(())
}
