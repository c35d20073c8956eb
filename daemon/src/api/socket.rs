//! The unix socket of the local API: taken over from a dead daemon, never from a
//! living one, open to the owner and the group only.

use std::fs;
use std::future::{self, Future, IntoFuture};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{ApiCall, router};

/// Owner and group may connect. Which group that is, the folder or the unit says.
const MODE: u32 = 0o660;

/// Connections at once: each may hold one question, and file descriptors are needed
/// elsewhere.
const CONNECTIONS_MAX: usize = 64;

/// How long connections may keep a daemon from stopping: one may be idle or stuck.
pub const STOP_MAX: Duration = Duration::from_millis(500);

/// Why the socket cannot be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers at it.
    #[error("a daemon is already running at {path}: stop it first, or give this one another socket")]
    AlreadyRunning {
        /// Where.
        path: PathBuf,
    },
    /// Something that is no socket has its name.
    #[error("{path} exists and is no socket: move it away, or give the daemon another socket")]
    NoSocket {
        /// Where.
        path: PathBuf,
    },
    /// Nobody can tell whether somebody answers at it.
    #[error("the socket {path} of another daemon cannot be asked whether it lives")]
    Unknown {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses.
    #[error("the socket {path} cannot be opened")]
    Open {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses later.
    #[error("the socket cannot be served any more")]
    Serve(#[source] io::Error),
}

/// The bound socket. Dropping it removes the file, if it is still this one's.
#[derive(Debug)]
pub struct ApiSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl ApiSocket {
    /// Binds the socket. A file that a dead daemon left is replaced in one step, so
    /// that there is no moment without a socket and none with a wider mode. Two
    /// daemons that start at once on one socket are kept apart by the lock of the
    /// state folder, not here.
    ///
    /// # Errors
    /// See [`SocketError`]; the path's folder must exist.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        refuse_living(path).await?;
        let open = |source| SocketError::Open { path: path.to_owned(), source };
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        remove(&fresh).map_err(open)?;
        let listener = UnixListener::bind(&fresh).map_err(open)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(MODE)).map_err(open)?;
        let inode = fs::symlink_metadata(&fresh).map_err(open)?.ino();
        fs::rename(&fresh, path).map_err(open)?;
        Ok(Self { listener, file: SocketFile { path: path.to_owned(), inode } })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Answers until `stop`; questions go to `calls`. What is being answered then is
    /// still finished, if it takes no longer than [`STOP_MAX`].
    ///
    /// # Errors
    /// [`SocketError::Serve`].
    pub async fn serve(
        self,
        calls: mpsc::Sender<ApiCall>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SocketError> {
        let Self { listener, file } = self;
        let bounded = Bounded { listener, free: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
        let (stopping, stopped) = oneshot::channel();
        let graceful = async {
            stop.await;
            // The receiver lives as long as the server.
            let _ = stopping.send(());
        };
        let served = axum::serve(bounded, router(calls)).with_graceful_shutdown(graceful).into_future();
        let too_long = async {
            match stopped.await {
                Ok(()) => tokio::time::sleep(STOP_MAX).await,
                Err(_) => future::pending().await,
            }
        };
        let done = tokio::select! {
            done = served => done,
            () = too_long => Ok(()),
        };
        drop(file);
        done.map_err(SocketError::Serve)
    }
}

/// Removes the socket's file when dropped, unless another daemon has replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            // A file that stays is found dead and replaced by the next daemon.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn refuse_living(path: &Path) -> Result<(), SocketError> {
    let path_owned = || path.to_owned();
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return Err(SocketError::NoSocket { path: path_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SocketError::Open { path: path_owned(), source }),
    }
    match UnixStream::connect(path).await {
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            Ok(())
        }
        // A full queue of connections is one that somebody holds.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SocketError::AlreadyRunning { path: path_owned() })
        }
        Err(source) => Err(SocketError::Unknown { path: path_owned(), source }),
        Ok(_) => Err(SocketError::AlreadyRunning { path: path_owned() }),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A listener that accepts no more than [`CONNECTIONS_MAX`] at once; the rest wait
/// in the system's queue.
struct Bounded {
    listener: UnixListener,
    free: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        let permit = self.free.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Held { stream, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its place among the [`CONNECTIONS_MAX`].
struct Held {
    stream: UnixStream,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_owner_and_group_and_goes_with_its_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let socket = ApiSocket::bind(&path).await.unwrap();
        assert_eq!(socket.path(), path);
        let file = fs::symlink_metadata(&path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, 0o660);
        UnixStream::connect(&path).await.unwrap();
        drop(socket);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_living_daemon_keeps_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let living = ApiSocket::bind(&path).await.unwrap();
        let error = ApiSocket::bind(&path).await.unwrap_err();
        assert!(matches!(error, SocketError::AlreadyRunning { .. }), "{error}");
        assert!(error.to_string().starts_with("a daemon is already running at "));
        UnixStream::connect(&path).await.unwrap();
        drop(living);
    }

    #[tokio::test]
    async fn a_dead_daemon_s_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let _socket = ApiSocket::bind(&path).await.unwrap();
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        fs::write(&path, "mine").unwrap();
        let error = ApiSocket::bind(&path).await.unwrap_err();
        assert!(matches!(error, SocketError::NoSocket { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_or_a_path_too_long_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["none/api.sock", &"x".repeat(120)] {
            let error = ApiSocket::bind(&folder.path().join(name)).await.unwrap_err();
            assert!(matches!(error, SocketError::Open { .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn a_socket_that_another_daemon_replaced_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let first = ApiSocket::bind(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        let _second = ApiSocket::bind(&path).await.unwrap();
        drop(first);
        UnixStream::connect(&path).await.unwrap();
    }
}
