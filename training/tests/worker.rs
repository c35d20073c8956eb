//! The worker by its frames: a run, its replay, evaluation, export, refusals, a stop.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by unwrapping")]

use std::io::{self, PipeReader, PipeWriter};
use std::path::Path;
use std::thread::JoinHandle;

use jobs::{Recipe, Track};
use proto::frame;
use proto::limits::WORKER_FRAME_BYTES_MAX;
use proto::wire::worker::{
    BlockDone, Evaluate, Export, Failed, Finished, Order, Report, Run, StateDone, Stop, order, report,
};
use training::state::{self, State};
use training::worker::{Options, ServeError, serve};

struct Worker {
    orders: PipeWriter,
    reports: PipeReader,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Worker {
    /// Starts a worker in a folder and takes its greeting.
    fn start(folder: &Path) -> Self {
        let (input, orders) = io::pipe().unwrap();
        let (reports, output) = io::pipe().unwrap();
        let options = Options { folder: folder.to_owned(), ..Options::default() };
        let served = std::thread::spawn(move || serve(input, output, options));
        let mut worker = Self { orders, reports, served };
        let report::Report::Hello(hello) = worker.next() else {
            panic!("something came before the greeting");
        };
        assert_eq!((hello.protocol, &hello.device[..]), (1, "cpu"));
        assert_eq!(hello.numeric_class.len(), 32);
        worker
    }

    fn send(&mut self, order: order::Order) {
        frame::write(&mut self.orders, &Order { order: Some(order) }, WORKER_FRAME_BYTES_MAX).unwrap();
    }

    fn next(&mut self) -> report::Report {
        let report: Report = frame::read(&mut self.reports, WORKER_FRAME_BYTES_MAX).unwrap().unwrap();
        report.report.unwrap()
    }

    /// Sends an order and takes its reports, progress left out, up to the one that ends it.
    fn ask(&mut self, order: order::Order) -> Vec<report::Report> {
        self.send(order);
        let mut reports = Vec::new();
        loop {
            let report = self.next();
            let ends = matches!(report, report::Report::Finished(_) | report::Report::Failed(_));
            if !matches!(report, report::Report::Progress(_)) {
                reports.push(report);
            }
            if ends {
                return reports;
            }
        }
    }

    fn states(&mut self, run: Run) -> Vec<StateDone> {
        let mut reports = self.ask(order::Order::Run(run));
        assert_eq!(reports.pop(), Some(report::Report::Finished(Finished { diverged: false })));
        let state = |report| {
            let report::Report::State(state) = report else { panic!("{report:?} among states") };
            state
        };
        reports.into_iter().map(state).collect()
    }

    fn blocks(&mut self, evaluate: Evaluate) -> Vec<BlockDone> {
        let mut reports = self.ask(order::Order::Evaluate(evaluate));
        assert_eq!(reports.pop(), Some(report::Report::Finished(Finished { diverged: false })));
        let block = |report| {
            let report::Report::Block(block) = report else { panic!("{report:?} among blocks") };
            block
        };
        reports.into_iter().map(block).collect()
    }

    /// The reason that an order fails with, as its only report.
    fn refused(&mut self, order: order::Order) -> String {
        match &self.ask(order)[..] {
            [report::Report::Failed(Failed { reason })] => reason.clone(),
            other => panic!("{other:?} instead of a refusal"),
        }
    }

    fn end(self) {
        drop(self.orders);
        self.served.join().unwrap().unwrap();
    }
}

fn track() -> Track {
    Track { budget_gas: 1_200_000_000, eval_windows: 32, ..Track::r11() }
}

fn recipe() -> Recipe {
    let track = track();
    Recipe {
        depth: 1,
        width: 16,
        heads: 2,
        mlp_ratio_eighths: 8,
        tokens_per_step: track.context,
        ..track.baseline
    }
}

fn run(from: u32, to: u32) -> Run {
    Run {
        recipe: recipe().to_bytes(),
        track: track().to_bytes(),
        seed: vec![4; 32],
        segments: 4,
        from,
        to,
        state_file: String::new(),
    }
}

fn evaluate(state: &StateDone, first: u32, last: u32) -> Evaluate {
    Evaluate {
        recipe: recipe().to_bytes(),
        track: track().to_bytes(),
        state_file: state.file.clone(),
        first,
        last,
    }
}

#[test]
fn a_second_worker_replays_any_segment_and_block_of_a_run() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut claimant = Worker::start(own.path());
    let states = claimant.states(run(0, 4));
    assert_eq!(states.iter().map(|state| state.segment).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(states[0].losses_hash.is_empty());
    for state in &states {
        let bytes = std::fs::read(own.path().join(&state.file)).unwrap();
        assert_eq!(bytes.len() as u64, state.bytes);
        assert_eq!(blake3::hash(&bytes).as_bytes()[..], state.state_hash);
    }
    let blocks = claimant.blocks(evaluate(&states[4], 0, 15));
    assert_eq!(blocks.iter().map(|block| block.block).collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
    let bits = blocks.iter().map(|block| block.sum_microbits).sum::<u64>() / track().eval_bytes();
    assert!((2_000_000..8_000_000).contains(&bits), "{bits} micro-bits per byte");

    let mut checker = Worker::start(other.path());
    assert_eq!(checker.states(run(0, 0)), states[..1]);
    for from in 1..4 {
        let start = &states[from as usize];
        std::fs::copy(own.path().join(&start.file), other.path().join(&start.file)).unwrap();
        let replayed = checker.states(Run { state_file: start.file.clone(), ..run(from, from + 1) });
        assert_eq!(replayed, states[from as usize + 1..][..1]);
    }
    assert_eq!(checker.blocks(evaluate(&states[4], 7, 7)), blocks[7..8]);
    claimant.end();
    checker.end();
}

#[test]
fn an_export_is_a_safetensors_file_of_all_weights() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path());
    let initial = worker.states(run(0, 0)).remove(0);
    let export = |output_file: &str| {
        order::Order::Export(Export {
            recipe: recipe().to_bytes(),
            track: track().to_bytes(),
            state_file: initial.file.clone(),
            output_file: output_file.to_owned(),
        })
    };
    let reports = worker.ask(export("model.safetensors"));
    assert_eq!(reports, [report::Report::Finished(Finished { diverged: false })]);
    let bytes = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort_unstable();
    let layer =
        ["attention.key", "attention.output", "attention.query", "attention.value", "mlp.down", "mlp.up"];
    let mut expected: Vec<String> = layer.iter().map(|part| format!("layers.0.{part}")).collect();
    expected.extend(["embedding".to_owned(), "head".to_owned()]);
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(tensors.tensor("embedding").unwrap().shape(), [256, 16]);
    let reason = worker.refused(export("../model.safetensors"));
    assert!(reason.contains("not a bare file name"), "{reason}");
    worker.end();
}

#[test]
fn bad_orders_are_answered_by_a_sentence_and_the_worker_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path());
    let initial = worker.states(run(0, 0)).remove(0);
    let mut check = |order: Run, expected: &str| {
        let reason = worker.refused(order::Order::Run(order));
        assert!(reason.contains(expected), "{reason:?} does not say {expected:?}");
    };
    check(
        Run { recipe: vec![0xff; 9], ..run(0, 1) },
        "the order names no known recipe: the bytes are no recipe",
    );
    check(
        Run { track: Vec::new(), ..run(0, 1) },
        "the order names no known track: track schema 0 is unknown",
    );
    check(Run { seed: vec![1; 31], ..run(0, 1) }, "the seed is not 32 bytes");
    check(Run { segments: 0, ..run(0, 0) }, "segments 0 to 0 of 0 are not a part of a run");
    check(run(0, 5), "segments 0 to 5 of 4 are not a part of a run");
    check(run(3, 2), "segments 3 to 2 of 4 are not a part of a run");
    check(Run { segments: 65, ..run(0, 1) }, "which has at most 64");
    let wide = Recipe { width: 4096, ..recipe() };
    check(
        Run { recipe: wide.to_bytes(), ..run(0, 1) },
        "the recipe is not admitted: width 4096 is outside 16 to 512",
    );
    let elsewhere = Track { corpus: proto::ids::BlobHash::new([1; 32]), ..track() };
    check(
        Run { track: elsewhere.to_bytes(), ..run(0, 1) },
        "needs a corpus that does not come with this program",
    );
    let beyond = Track { train: 11_160_284..13_000_000, ..track() };
    check(Run { track: beyond.to_bytes(), ..run(0, 1) }, "reads beyond the end of its corpus");
    check(run(1, 2), "is not the name of a state");
    let file = |state_file: &str| Run { state_file: state_file.to_owned(), ..run(1, 2) };
    check(file("../../etc/passwd"), "is not the name of a state");
    check(file(&format!("{}.state", "0".repeat(64))), "cannot be read");
    check(file(&initial.file), "the state has had 0 steps, the segment begins after");
    let path = folder.path().join(&initial.file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    check(file(&initial.file), "is damaged: its bytes hash to");
    bytes.pop();
    std::fs::write(&path, &bytes).unwrap();
    check(file(&initial.file), "bytes, 116800 are expected");
    let reason = worker.refused(order::Order::Evaluate(evaluate(&initial, 3, 16)));
    assert_eq!(reason, "blocks 3 to 16 are not among the track's 16");
    assert_eq!(worker.states(run(0, 0)), [initial]);
    worker.end();
}

#[test]
fn a_run_whose_loss_is_no_number_ends_as_diverged() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path());
    let steps = jobs::gas::of(&recipe(), &track()).unwrap().steps;
    let mut state = State::initial(&recipe(), &[4; 32]);
    state.step = jobs::trial::segment_steps(steps, 4, 1).end;
    state.weights.iter_mut().for_each(|weight| *weight *= 1e38);
    let bytes = state.to_bytes(&recipe());
    let state_file = format!("{}.state", state::hash(&bytes));
    std::fs::write(folder.path().join(&state_file), bytes).unwrap();
    let reports = worker.ask(order::Order::Run(Run { state_file, ..run(1, 3) }));
    assert_eq!(reports, [report::Report::Finished(Finished { diverged: true })]);
    worker.end();
}

#[test]
fn a_stop_ends_the_run_in_progress_and_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path());
    begin_a_long_run(&mut worker);
    worker.send(order::Order::Stop(Stop {}));
    assert_eq!(reason_after_progress(&mut worker), "stopped");
    worker.served.join().unwrap().unwrap();
}

#[test]
fn the_end_of_the_input_ends_the_run_in_progress_and_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path());
    begin_a_long_run(&mut worker);
    worker.orders = io::pipe().unwrap().1;
    assert_eq!(reason_after_progress(&mut worker), "stopped");
    worker.served.join().unwrap().unwrap();
}

/// Orders a run of minutes and returns when it computes.
fn begin_a_long_run(worker: &mut Worker) {
    let long = Track { budget_gas: Track::r11().budget_gas * 1000, ..track() };
    worker.send(order::Order::Run(Run { track: long.to_bytes(), ..run(0, 4) }));
    while !matches!(worker.next(), report::Report::Progress(_)) {}
}

fn reason_after_progress(worker: &mut Worker) -> String {
    loop {
        let report = worker.next();
        if let report::Report::Failed(Failed { reason }) = report {
            return reason;
        }
        assert!(matches!(report, report::Report::Progress(_)), "{report:?} after a stop");
    }
}

#[test]
fn a_frame_that_is_no_order_ends_the_worker_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path());
    io::Write::write_all(&mut worker.orders, &[0xff; 4]).unwrap();
    drop(worker.orders);
    assert!(matches!(worker.served.join().unwrap(), Err(ServeError::Pipe(_))));
}
