//! A socket that replays literal HTTP answers: a double of the wire, not of the daemon.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

/// What is answered to one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A whole answer.
    Whole {
        /// HTTP status.
        status: u16,
        /// Body.
        body: String,
        /// Version header.
        version: &'static str,
    },
    /// The connection closes without a byte.
    HangUp,
    /// Nothing until the other side has gone.
    Silence,
    /// A body beyond every bound.
    TooLong,
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Reply {
    Reply::Whole { status, body: body.to_owned(), version: "0.1.0" }
}

impl Reply {
    /// The same answer from a daemon of another version.
    pub(crate) fn version(self, theirs: &'static str) -> Self {
        match self {
            Self::Whole { status, body, .. } => Self::Whole { status, body, version: theirs },
            other @ (Self::HangUp | Self::Silence | Self::TooLong) => other,
        }
    }
}

/// A listening socket in a folder of its own.
pub(crate) struct Double {
    folder: TempDir,
    asked: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Double {
    /// Answers one connection per reply, in order, and checks each request's target.
    pub(crate) fn start(replies: Vec<(&'static str, Reply)>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("api.sock")).expect("a socket in it");
        let (tell, asked) = mpsc::channel();
        let thread = thread::spawn(move || {
            for (target, reply) in replies {
                let (stream, _) = listener.accept().expect("a connection");
                serve(stream, target, &reply, &tell);
            }
        });
        Self { folder, asked, thread }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    /// Waits until a request has arrived.
    pub(crate) fn wait_for_request(&self) {
        self.asked.recv_timeout(Duration::from_secs(60)).expect("a request within a minute");
    }

    /// Passes on a failed check of a request.
    pub(crate) fn finish(self) {
        self.thread.join().expect("every request was asked as expected");
    }
}

fn serve(mut stream: UnixStream, target: &str, reply: &Reply, tell: &Sender<()>) {
    let mut lines = BufReader::new(&stream).lines().map(|line| line.expect("a whole line"));
    assert_eq!(lines.next().expect("a request line"), format!("{target} HTTP/1.1"));
    assert!(lines.any(|line| line.is_empty()), "the head has an end");
    // Most tests do not wait for it.
    let _ = tell.send(());
    let sent = match reply {
        Reply::Whole { status, body, version } => stream.write_all(
            format!(
                "HTTP/1.1 {status} X\r\nx-swarm-version: {version}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        ),
        Reply::HangUp => Ok(()),
        Reply::Silence => stream.read_to_end(&mut vec![]).map(|_| ()),
        Reply::TooLong => {
            let head = "HTTP/1.1 200 X\r\nconnection: close\r\n\r\n";
            stream
                .write_all(head.as_bytes())
                .and_then(|()| io::copy(&mut io::repeat(b' ').take(32 << 20), &mut stream).map(|_| ()))
        }
    };
    // The other side may hang up first when the answer is too long.
    assert!(sent.is_ok() || matches!(reply, Reply::TooLong | Reply::Silence), "{sent:?}");
}
