//! Starts a worker and watches over it until it is gone.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread;

use proto::wire::worker::report::Report;
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::pipes::{self, FRAMES_MAX, Sent};
use super::{
    EVENTS_MAX, ExitReason, Garbage, ORDERS_MAX, PARENT, Program, Settings, SpawnError, WorkerEvent,
    WorkerHandle,
};

/// Starts a worker in its directory, which is made if it is not there.
///
/// # Errors
/// As the variants of [`SpawnError`] say.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn start(program: &Program, directory: &Path, settings: &Settings) -> Result<WorkerHandle, SpawnError> {
    let folder_error = |source| SpawnError::Folder { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(folder_error)?;
    let directory = directory.canonicalize().map_err(folder_error)?;
    let program_error = |source| SpawnError::Program { path: program.path.clone(), source };
    let command = command(program, &directory, settings).map_err(program_error)?;
    let (mut child, anchor) = spawn(command).map_err(program_error)?;
    let pid = child.id().expect("nobody has waited for the child yet");
    let (orders, orders_taken) = mpsc::channel(ORDERS_MAX);
    let (sent_out, sent) = mpsc::channel(ORDERS_MAX);
    let (frames_out, frames) = mpsc::channel(FRAMES_MAX);
    let (tail_out, tail) = watch::channel(Vec::new());
    let (events, reports) = mpsc::channel(EVENTS_MAX);
    let kill = Arc::new(Notify::new());
    let stdin = child.stdin.take().expect("standard input is piped");
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take().expect("standard error is piped");
    tokio::spawn(pipes::write_orders(stdin, orders_taken, sent_out));
    tokio::spawn(pipes::read_frames(stdout, frames_out));
    let stderr_task = tokio::spawn(pipes::keep_tail(stderr, tail_out));
    let watched = Watched { frames, sent, events, kill: kill.clone() };
    let supervisor = Supervisor {
        child,
        settings: settings.clone(),
        // The hello is owed from the start.
        open_orders: 1,
        has_greeted: false,
        is_stopping: false,
        deadline: Instant::now() + settings.silence_max,
        undelivered: None,
    };
    tokio::spawn(async move {
        supervisor.run(watched, Stderr { task: stderr_task, tail }).await;
        drop(anchor);
    });
    Ok(WorkerHandle { orders, reports, kill, pid })
}

/// The command with nothing inherited but the pipes.
fn command(program: &Program, directory: &Path, settings: &Settings) -> io::Result<Command> {
    let mut command = Command::new(program.path.canonicalize()?);
    command.args(&program.args).current_dir(directory).env_clear();
    command.env(PARENT, std::process::id().to_string());
    // Caches and temporary files stay in the one directory that a worker has.
    command.env("HOME", directory).env("TMPDIR", directory).env("XDG_CACHE_HOME", directory.join("cache"));
    if let Some(device) = &settings.device {
        command.env("BURN_DEVICE", device);
    }
    if let Some(threads) = settings.threads {
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: an interrupt from the terminal is the daemon's to handle, and
    // whatever the worker starts can be killed with it.
    command.process_group(0).kill_on_drop(true);
    Ok(command)
}

/// Runs the command on a thread that lives as long as the returned sender.
///
/// The kernel's "parent" is the thread that forked: a worker tied to its parent would
/// be killed when a thread of the runtime happens to end.
fn spawn(mut command: Command) -> io::Result<(Child, blocking::Sender<()>)> {
    let (anchor, released) = blocking::channel::<()>();
    let (spawned, result) = blocking::sync_channel(1);
    let runtime = Handle::current();
    thread::Builder::new().name("worker-parent".to_owned()).spawn(move || {
        let child = {
            let _runtime = runtime.enter();
            command.spawn()
        };
        if spawned.send(child).is_ok() {
            // Ends with an error when the sender is dropped, which is all it waits for.
            let _ = released.recv();
        }
    })?;
    let child = result.recv().map_err(io::Error::other)??;
    Ok((child, anchor))
}

/// What the supervisor listens to and speaks to.
struct Watched {
    frames: mpsc::Receiver<Result<Report, Garbage>>,
    sent: mpsc::Receiver<Sent>,
    events: mpsc::Sender<WorkerEvent>,
    kill: Arc<Notify>,
}

struct Stderr {
    task: JoinHandle<()>,
    tail: watch::Receiver<Vec<u8>>,
}

struct Supervisor {
    child: Child,
    settings: Settings,
    /// Answers that the worker owes; it may be silent when there are none.
    open_orders: usize,
    has_greeted: bool,
    is_stopping: bool,
    /// When silence, or a stop not followed, ends the worker.
    deadline: Instant,
    /// A report that the node has not taken yet.
    undelivered: Option<WorkerEvent>,
}

/// How watching ended.
enum End {
    /// The worker must be killed, for this reason.
    Kill(ExitReason),
    /// It ended by itself.
    Exit(io::Result<ExitStatus>),
    /// Its output ended; the process should follow.
    Output,
}

impl Supervisor {
    async fn run(mut self, mut watched: Watched, stderr: Stderr) {
        let end = self.watch(&mut watched).await;
        let reason = self.finish(end, &mut watched).await;
        // What a grandchild still holds open is not waited for.
        let _ = timeout(self.settings.stop_max, stderr.task).await;
        let stderr = String::from_utf8_lossy(&stderr.tail.borrow()).into_owned();
        tracing::debug!(%reason, stderr, "worker gone");
        if let Some(event) = self.undelivered.take() {
            // Nobody listens any more if this fails, here and below.
            let _ = watched.events.send(event).await;
        }
        let _ = watched.events.send(WorkerEvent::Exited { reason, stderr }).await;
    }

    /// Passes reports on until there is a reason to end.
    async fn watch(&mut self, watched: &mut Watched) -> End {
        let mut are_orders_open = true;
        loop {
            let is_ready = self.undelivered.is_none();
            // While the node does not take what is there, the worker is not listened to,
            // and so it cannot be called silent.
            let is_timed = self.is_stopping || (is_ready && self.open_orders > 0);
            // In this order, so that a flood of reports cannot hold off what comes first.
            tokio::select! {
                biased;
                () = watched.kill.notified() => return End::Kill(ExitReason::Killed),
                () = watched.events.closed() => return End::Kill(ExitReason::Killed),
                sent = watched.sent.recv(), if are_orders_open => match sent {
                    Some(sent) => self.note(sent),
                    None => are_orders_open = false,
                },
                () = sleep_until(self.deadline), if is_timed => {
                    let is_stopping = self.is_stopping;
                    return End::Kill(if is_stopping { ExitReason::StopIgnored } else { ExitReason::Silent });
                }
                permit = watched.events.reserve(), if !is_ready => {
                    if let (Ok(permit), Some(event)) = (permit, self.undelivered.take()) {
                        permit.send(event);
                        self.extend_deadline();
                    }
                }
                frame = watched.frames.recv(), if is_ready => match frame {
                    Some(frame) => {
                        if let Err(garbage) = frame.and_then(|report| self.take(report)) {
                            return End::Kill(ExitReason::Garbage(garbage));
                        }
                    }
                    None => return End::Output,
                },
                status = self.child.wait(), if is_ready => return End::Exit(status),
            }
        }
    }

    /// Sees to it that the process is gone, and says why it is.
    async fn finish(&mut self, end: End, watched: &mut Watched) -> ExitReason {
        match end {
            End::Kill(cut_off @ ExitReason::Garbage(Garbage::CutOff)) => {
                // What ended the process says more than the frame it was writing.
                let reason = self.exited().await;
                let is_cause = matches!(reason, ExitReason::Signalled(_) | ExitReason::Exited(1..));
                if is_cause { reason } else { cut_off }
            }
            End::Kill(reason) => {
                self.kill().await;
                reason
            }
            End::Output => self.exited().await,
            End::Exit(status) => match self.drain(watched).await {
                Ok(()) => self.reason(status),
                Err(garbage) => ExitReason::Garbage(garbage),
            },
        }
    }

    /// Waits for a process that has closed its output.
    async fn exited(&mut self) -> ExitReason {
        match timeout(self.settings.stop_max, self.child.wait()).await {
            Ok(status) => self.reason(status),
            Err(_) => {
                self.kill().await;
                if self.is_stopping { ExitReason::StopIgnored } else { ExitReason::Silent }
            }
        }
    }

    /// Passes on what the process wrote before it ended.
    async fn drain(&mut self, watched: &mut Watched) -> Result<(), Garbage> {
        loop {
            if let Some(event) = self.undelivered.take() {
                // Nobody listens any more if this fails.
                let _ = watched.events.send(event).await;
            }
            // A grandchild may hold the output open; it is not waited for.
            match timeout(self.settings.stop_max, watched.frames.recv()).await {
                Ok(Some(frame)) => self.take(frame?)?,
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }

    fn reason(&self, status: io::Result<ExitStatus>) -> ExitReason {
        let Ok(status) = status else {
            return ExitReason::Killed;
        };
        match status.code() {
            Some(0) if self.is_stopping => ExitReason::Stopped,
            Some(code) => ExitReason::Exited(code),
            None => ExitReason::Signalled(status.signal().unwrap_or_default()),
        }
    }

    /// Kills the process with all that it started.
    async fn kill(&mut self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended just now; then there is nothing to kill.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.kill().await;
    }

    fn note(&mut self, sent: Sent) {
        match sent {
            Sent::Work if self.open_orders == 0 => {
                self.open_orders = 1;
                self.extend_deadline();
            }
            Sent::Work => self.open_orders += 1,
            Sent::Stop if self.is_stopping => {}
            Sent::Stop => {
                self.is_stopping = true;
                self.deadline = Instant::now() + self.settings.stop_max;
            }
        }
    }

    fn take(&mut self, report: Report) -> Result<(), Garbage> {
        match &report {
            Report::Hello(_) if !self.has_greeted => {
                self.has_greeted = true;
                self.open_orders = self.open_orders.saturating_sub(1);
            }
            _ if !self.has_greeted => return Err(Garbage::NoHello),
            Report::Finished(_) | Report::Failed(_) => {
                self.open_orders = self.open_orders.saturating_sub(1);
            }
            Report::Hello(_) | Report::Progress(_) | Report::State(_) | Report::Block(_) => {}
        }
        self.extend_deadline();
        self.undelivered = Some(WorkerEvent::Report(report));
        Ok(())
    }

    fn extend_deadline(&mut self) {
        if !self.is_stopping {
            self.deadline = Instant::now() + self.settings.silence_max;
        }
    }
}
