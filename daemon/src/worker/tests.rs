//! Tests with real child processes: `/bin/sh` scripts that print prepared frames, and
//! this test program itself where a worker has to be ours.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc as blocking;

use prost::Message;
use proto::wire::worker::{Failed, Finished, Hello, Progress, Report, Run, Stop, order};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::*;

/// Longer than any step takes; a test that waits for it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

const SHORT: Duration = Duration::from_millis(300);

fn hello() -> report::Report {
    report::Report::Hello(Hello { protocol: 1, device: "paper".to_owned(), ..Hello::default() })
}

fn finished() -> report::Report {
    report::Report::Finished(Finished { diverged: false })
}

fn progress(step: u64) -> report::Report {
    report::Report::Progress(Progress { step, steps: 200, loss_microbits: 8_000_000 })
}

fn frame(report: report::Report) -> Vec<u8> {
    let bytes = Report { report: Some(report) }.encode_to_vec();
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], &bytes].concat()
}

fn run() -> Order {
    Order { order: Some(order::Order::Run(Run { segments: 8, to: 8, ..Run::default() })) }
}

fn stop() -> Order {
    Order { order: Some(order::Order::Stop(Stop {})) }
}

/// A worker that is a shell script; `hello`, `finished` and `bytes` are files beside it.
struct Script {
    folder: TempDir,
    settings: Settings,
}

impl Script {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hello"), frame(hello())).unwrap();
        fs::write(folder.path().join("finished"), frame(finished())).unwrap();
        let settings = Settings { silence_max: DEADLINE, stop_max: DEADLINE, ..Settings::default() };
        Self { folder, settings }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, script: &str) -> WorkerHandle {
        let script = format!("PATH=/usr/bin:/bin; {script}");
        let args = vec!["-c".into(), script.into()];
        let program = Program { path: PathBuf::from("/bin/sh"), args };
        start(&program, self.folder.path(), &self.settings).unwrap()
    }
}

async fn next(worker: &mut WorkerHandle) -> WorkerEvent {
    let event = timeout(DEADLINE, worker.reports.recv()).await.expect("an event in time");
    event.expect("an event before the end")
}

/// Everything up to the exit, and the exit.
async fn all(worker: &mut WorkerHandle) -> (Vec<report::Report>, ExitReason, String) {
    let mut reports = Vec::new();
    loop {
        match next(worker).await {
            WorkerEvent::Report(report) => reports.push(report),
            WorkerEvent::Exited { reason, stderr } => {
                let after = timeout(DEADLINE, worker.reports.recv()).await.expect("the end in time");
                assert_eq!(after, None);
                return (reports, reason, stderr);
            }
        }
    }
}

#[tokio::test]
async fn orders_go_in_and_reports_come_out_until_it_is_stopped() {
    let script = Script::new();
    let order = proto::frame::encode(&run(), 1_000).unwrap();
    let length = order.len();
    let stop_frame = proto::frame::encode(&stop(), 1_000).unwrap();
    let mut worker = script.start(&format!(
        "cat hello; head -c {length} > order; cat finished; head -c {} > stop",
        stop_frame.len()
    ));
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(hello()));
    worker.orders.send(run()).await.unwrap();
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(finished()));
    worker.orders.send(stop()).await.unwrap();
    assert_eq!(all(&mut worker).await, (vec![], ExitReason::Stopped, String::new()));
    assert_eq!(fs::read(script.file("order")).unwrap(), order);
    assert_eq!(fs::read(script.file("stop")).unwrap(), stop_frame);
}

#[tokio::test]
async fn dropping_the_orders_stops_it() {
    let script = Script::new();
    let WorkerHandle { orders, mut reports, .. } = script.start("cat hello; cat > rest");
    drop(orders);
    assert_eq!(timeout(DEADLINE, reports.recv()).await.unwrap(), Some(WorkerEvent::Report(hello())));
    let exited = timeout(DEADLINE, reports.recv()).await.unwrap();
    assert_eq!(exited, Some(WorkerEvent::Exited { reason: ExitReason::Stopped, stderr: String::new() }));
}

#[tokio::test]
async fn a_worker_that_never_greets_is_killed() {
    let mut script = Script::new();
    script.settings.silence_max = SHORT;
    let mut worker = script.start("cat > rest");
    assert_eq!(all(&mut worker).await, (vec![], ExitReason::Silent, String::new()));
}

#[tokio::test]
async fn a_worker_silent_with_an_order_is_killed_and_one_without_is_not() {
    let mut script = Script::new();
    script.settings.silence_max = SHORT;
    let mut worker = script.start("cat hello; cat > rest");
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(hello()));
    // It owes nothing: twice the bound goes by and nothing happens.
    timeout(2 * SHORT, worker.reports.recv()).await.unwrap_err();
    let ordered = Instant::now();
    worker.orders.send(run()).await.unwrap();
    assert_eq!(all(&mut worker).await, (vec![], ExitReason::Silent, String::new()));
    assert!(ordered.elapsed() >= SHORT);
}

#[tokio::test]
async fn an_answered_order_allows_silence_again() {
    let mut script = Script::new();
    script.settings.silence_max = SHORT;
    let failed = report::Report::Failed(Failed { reason: "no".to_owned() });
    fs::write(script.file("failed"), frame(failed.clone())).unwrap();
    let mut worker = script.start("cat hello failed; cat > rest");
    worker.orders.send(run()).await.unwrap();
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(hello()));
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(failed));
    timeout(2 * SHORT, worker.reports.recv()).await.unwrap_err();
}

#[tokio::test]
async fn output_that_is_not_the_protocol_is_named() {
    let good = frame(hello());
    let rows = [
        (b"\xff\xff\xff\xff".to_vec(), Garbage::TooLong(0xffff_ffff), 0),
        ((64_u32 * 1024 + 1).to_le_bytes().to_vec(), Garbage::TooLong(65_537), 0),
        ([&good[..], b"\x01\0\0\0\xff"].concat(), Garbage::Malformed, 1),
        (b"\0\0\0\0".to_vec(), Garbage::Malformed, 0),
        (frame(finished()), Garbage::NoHello, 0),
        (good[..good.len() - 1].to_vec(), Garbage::CutOff, 0),
        (good[..2].to_vec(), Garbage::CutOff, 0),
    ];
    for (bytes, garbage, reports) in rows {
        let script = Script::new();
        fs::write(script.file("bytes"), &bytes).unwrap();
        // What ends within a frame ends; everything else must be killed.
        let rest = if garbage == Garbage::CutOff { "" } else { "; cat > rest" };
        let mut worker = script.start(&format!("cat bytes{rest}"));
        let (seen, reason, _) = all(&mut worker).await;
        assert_eq!((seen.len(), reason), (reports, ExitReason::Garbage(garbage)), "{bytes:?}");
    }
}

#[tokio::test]
async fn an_exit_in_the_middle_names_status_or_signal_and_the_last_words() {
    let rows = [
        ("cat hello; echo out of luck >&2; exit 7", ExitReason::Exited(7), "out of luck\n"),
        ("cat hello; exit 0", ExitReason::Exited(0), ""),
        ("cat hello; kill -9 $$", ExitReason::Signalled(9), ""),
        ("cat hello; head -c 3 finished; kill -11 $$", ExitReason::Signalled(11), ""),
    ];
    for (text, reason, stderr) in rows {
        let script = Script::new();
        let mut worker = script.start(text);
        // The order may find nobody who reads it.
        let _ = worker.orders.send(run()).await;
        assert_eq!(all(&mut worker).await, (vec![hello()], reason, stderr.to_owned()), "{text}");
    }
}

#[tokio::test]
async fn the_last_4_kib_of_standard_error_are_kept() {
    let script = Script::new();
    let text: String = (0..2_000).map(|n| format!("line {n}\n")).collect();
    fs::write(script.file("text"), &text).unwrap();
    let (_, reason, stderr) = all(&mut script.start("cat hello; cat text >&2; exit 1")).await;
    assert_eq!(reason, ExitReason::Exited(1));
    assert_eq!(stderr, text[text.len() - 4_096..]);
}

#[tokio::test]
async fn a_worker_that_does_not_stop_is_killed() {
    let mut script = Script::new();
    script.settings.stop_max = SHORT;
    let mut worker = script.start("cat hello; cat > rest");
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(hello()));
    let told = Instant::now();
    worker.orders.send(stop()).await.unwrap();
    assert_eq!(all(&mut worker).await.1, ExitReason::StopIgnored);
    assert!(told.elapsed() >= SHORT);
}

#[tokio::test]
async fn killing_takes_what_it_started_along() {
    let script = Script::new();
    // The grandchild holds standard output open: it ends only when that one is dead.
    let mut worker = script.start("cat hello; sleep 1000 & cat > rest");
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(hello()));
    worker.kill();
    assert_eq!(all(&mut worker).await, (vec![], ExitReason::Killed, String::new()));
}

#[tokio::test]
async fn dropping_the_handle_kills_it() {
    let script = Script::new();
    let fifo = script.file("fifo");
    let made = Command::new("/bin/sh").args(["-c", "PATH=/usr/bin:/bin; mkfifo \"$0\""]).arg(&fifo).status();
    assert!(made.unwrap().success());
    let mut worker = script.start("exec 3>fifo; cat hello; cat > rest");
    // The other end of the fifo is read to its end, which comes when the worker is dead.
    let (done, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(fs::read(fifo)));
    assert_eq!(next(&mut worker).await, WorkerEvent::Report(hello()));
    drop(worker);
    assert_eq!(timeout(DEADLINE, ended).await.unwrap().unwrap().unwrap(), b"");
}

#[tokio::test]
async fn a_slow_node_loses_nothing_and_kills_nobody() {
    let mut script = Script::new();
    script.settings.silence_max = SHORT;
    let reports: Vec<_> = [hello()].into_iter().chain((0..200).map(progress)).chain([finished()]).collect();
    let bytes: Vec<u8> = reports.iter().cloned().flat_map(frame).collect();
    fs::write(script.file("bytes"), bytes).unwrap();
    let mut worker = script.start("cat bytes; cat > rest");
    worker.orders.send(run()).await.unwrap();
    let busy = std::future::pending::<()>();
    timeout(3 * SHORT, busy).await.unwrap_err();
    for report in reports {
        assert_eq!(next(&mut worker).await, WorkerEvent::Report(report));
    }
}

#[tokio::test]
async fn it_gets_its_folder_and_next_to_no_environment() {
    let mut script = Script::new();
    script.settings.device = Some("flex".to_owned());
    script.settings.threads = NonZeroU32::new(3);
    let args = vec!["/proc/self/environ".into(), "environ".into()];
    let program = Program { path: PathBuf::from("/bin/cp"), args };
    let mut worker = start(&program, script.folder.path(), &script.settings).unwrap();
    assert_eq!(all(&mut worker).await.1, ExitReason::Exited(0));
    let environ = fs::read_to_string(script.file("environ")).unwrap();
    let mut variables: Vec<&str> = environ.split_terminator('\0').collect();
    variables.sort_unstable();
    let folder = script.folder.path().canonicalize().unwrap().display().to_string();
    let expected = [
        "BURN_DEVICE=flex".to_owned(),
        format!("HOME={folder}"),
        "RAYON_NUM_THREADS=3".to_owned(),
        format!("SWARM_PARENT={}", std::process::id()),
        format!("TMPDIR={folder}"),
        format!("XDG_CACHE_HOME={folder}/cache"),
    ];
    assert_eq!(variables, expected);
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let script = Script::new();
    let missing = Program::worker(&script.file("absent"));
    let error = start(&missing, script.folder.path(), &script.settings).unwrap_err();
    let text = format!("cannot run the worker program {}", script.file("absent").display());
    assert_eq!(error.to_string(), text);
    let no_program = Program::worker(&script.file("hello"));
    let error = start(&no_program, script.folder.path(), &script.settings).unwrap_err();
    assert!(matches!(error, SpawnError::Program { .. }), "{error}");
    let shell = Program::worker(Path::new("/bin/sh"));
    let error = start(&shell, &script.file("hello/folder"), &script.settings).unwrap_err();
    assert!(matches!(error, SpawnError::Folder { .. }), "{error}");
}

/// Names what this test program does when it is started as a child.
const ROLE: &str = "SWARM_TEST_ROLE";

/// Starts this test program with only [`plays_a_role`], in that role.
fn play(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = module_path!().split_once("::").map_or("", |(_, path)| path);
    command.args([&format!("{test}::plays_a_role"), "--exact", "--nocapture", "--quiet"]).env(ROLE, role);
    command
}

/// No test of its own: the daemon, and the worker, of the test after it.
#[test]
fn plays_a_role() {
    match std::env::var(ROLE).as_deref() {
        Ok("daemon") => {
            let parent = std::process::id().to_string();
            play("worker").env(PARENT, parent).stdin(Stdio::null()).status().unwrap();
        }
        Ok("worker") => {
            tie_to_parent().unwrap();
            println!("\ntied");
        }
        Ok(_) | Err(_) => return,
    }
    loop {
        std::thread::park();
    }
}

#[test]
fn a_tied_worker_dies_with_its_daemon() {
    let mut daemon = play("daemon").stdout(Stdio::piped()).spawn().unwrap();
    // The worker writes to the same pipe, which so ends when both are dead.
    let output = daemon.stdout.take().unwrap();
    let (said, heard) = blocking::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        while line != "tied\n" {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the worker ended before it was tied");
        }
        said.send("tied").unwrap();
        lines.read_to_end(&mut Vec::new()).unwrap();
        said.send("dead").unwrap();
    });
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("tied"));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("dead"));
}

#[test]
fn a_worker_of_a_daemon_that_is_gone_is_told_so() {
    // Nobody's parent is process 0.
    let output = play("worker").env(PARENT, "0").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Orphaned"), "{output:?}");
}
