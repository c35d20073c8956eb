//! One request to the daemon over its unix socket.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use proto::api::{
    ANSWER_BYTES_MAX, ApiAnswer, ApiError, ApiRequest, ERROR_SCHEMA, ErrorKind, Method, VERSION_HEADER,
};
use serde::Deserialize;
use tokio::net::UnixStream;

/// Seconds given to the connection on top of what the daemon may take.
const CONNECTION_SECONDS: u64 = 5;

/// The daemon's socket as installed for the whole system.
const SYSTEM_SOCKET: &str = "/run/swarmd/api.sock";

/// Where the daemon is asked, and how long it may take.
pub(crate) struct Client {
    sockets: Vec<PathBuf>,
    timeout: Option<Duration>,
}

/// An answer as read and as received.
pub(crate) struct Answered {
    pub(crate) answer: ApiAnswer,
    pub(crate) body: Bytes,
}

impl Client {
    /// Asks at `socket`, at `SWARM_SOCKET`, or at the usual places in their order.
    pub(crate) fn new(socket: Option<&Path>, timeout_seconds: Option<u64>) -> Self {
        // A variable that is set to nothing is not set.
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let sockets = match socket.map(Path::to_owned).or_else(|| variable("SWARM_SOCKET")) {
            Some(named) => vec![named],
            None => {
                let runtime = variable("XDG_RUNTIME_DIR").map(|folder| folder.join("swarmd/api.sock"));
                // Where a user's daemon puts it when the session has no runtime folder.
                let state = variable("XDG_STATE_HOME")
                    .or_else(|| Some(variable("HOME")?.join(".local/state")))
                    .map(|folder| folder.join("swarmd/api.sock"));
                runtime.into_iter().chain([PathBuf::from(SYSTEM_SOCKET)]).chain(state).collect()
            }
        };
        Self { sockets, timeout: timeout_seconds.map(Duration::from_secs) }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The daemon's own error, or why no answer could be had.
    pub(crate) async fn ask(&self, request: &ApiRequest) -> Result<Answered, ApiError> {
        let timeout = self
            .timeout
            .unwrap_or_else(|| Duration::from_secs(request.patience_seconds() + CONNECTION_SECONDS));
        match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(done) => done,
            Err(_) => {
                let message = format!("no answer from the daemon within {} s", timeout.as_secs());
                let hint = "it may be busy: try again, or wait longer with --timeout";
                Err(ApiError::new(ErrorKind::TimedOut, message).with_hint(hint))
            }
        }
    }

    async fn exchange(&self, request: &ApiRequest) -> Result<Answered, ApiError> {
        let (stream, path) = self.connect().await?;
        let broken = |error: &dyn std::error::Error| {
            ApiError::new(
                ErrorKind::Unreachable,
                format!("the connection to {} broke: {error}", path.display()),
            )
            .with_hint("the daemon may have stopped; see its log")
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        // Carries the bytes until the answer is read; its error arrives through `sender` too.
        tokio::spawn(connection);
        let response = sender.send_request(http_request(request)).await.map_err(|error| broken(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| broken(&*error))?;
        read(request, &Response::from_parts(head, body.to_bytes()))
    }

    /// The first socket that somebody listens at.
    async fn connect(&self) -> Result<(UnixStream, &Path), ApiError> {
        let mut failures = vec![];
        for path in &self.sockets {
            match UnixStream::connect(path).await {
                Ok(stream) => return Ok((stream, path)),
                Err(error) => failures.push((path.as_path(), error)),
            }
        }
        Err(no_connection(&failures))
    }
}

/// Why none of the sockets could be connected to: the first reason that is not
/// just the absence of a daemon, if there is one.
fn no_connection(failures: &[(&Path, io::Error)]) -> ApiError {
    let is_absent = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
    };
    let Some((path, error)) = failures.iter().find(|(_, error)| !is_absent(error)) else {
        let places: Vec<String> = failures.iter().map(|(path, _)| path.display().to_string()).collect();
        let message = format!("no daemon listens at {}", places.join(" or "));
        let hint = "start it with `swarmd run`, or name its socket with --socket";
        return ApiError::new(ErrorKind::Unreachable, message).with_hint(hint);
    };
    let path = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        let hint = "run this as the daemon's user, or join its group and log in again";
        return ApiError::new(ErrorKind::NotPermitted, format!("not permitted to open the socket {path}"))
            .with_hint(hint);
    }
    if error.kind() == io::ErrorKind::InvalidInput {
        let hint = "a socket's path has at most 107 bytes";
        return ApiError::new(ErrorKind::Usage, format!("{path} is no socket path: {error}")).with_hint(hint);
    }
    ApiError::new(ErrorKind::Unreachable, format!("the socket {path} cannot be opened: {error}"))
}

fn http_request(request: &ApiRequest) -> Request<Empty<Bytes>> {
    let method = match request.method() {
        Method::Get => hyper::Method::GET,
        Method::Post => hyper::Method::POST,
    };
    Request::builder()
        .method(method)
        .uri(request.target())
        .header(header::HOST, "swarmd")
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .expect("paths and queries of requests are plain ASCII")
}

/// Just the name of an answer's schema.
#[derive(Deserialize)]
struct Named {
    schema: String,
}

fn read(request: &ApiRequest, response: &Response<Bytes>) -> Result<Answered, ApiError> {
    let body = response.body();
    let Ok(Named { schema }) = serde_json::from_slice(body) else {
        return Err(stranger(response.status()));
    };
    let mismatch = || {
        let theirs = response.headers().get(VERSION_HEADER).and_then(|value| value.to_str().ok());
        let message = format!(
            "the daemon (version {}) answers {} with {schema}, which this swarmctl (version {}) cannot read",
            theirs.unwrap_or("unknown"),
            request.target(),
            env!("CARGO_PKG_VERSION"),
        );
        ApiError::new(ErrorKind::VersionMismatch, message)
            .with_hint("after an update restart the daemon, so that both are of one version")
    };
    if schema == ERROR_SCHEMA {
        let error: ApiError = serde_json::from_slice(body).map_err(|_| mismatch())?;
        return Err(error);
    }
    match serde_json::from_slice(body) {
        Ok(answer) if is_answer_to(&answer, request) => Ok(Answered { answer, body: body.clone() }),
        Ok(_) | Err(_) => Err(mismatch()),
    }
}

fn stranger(status: StatusCode) -> ApiError {
    ApiError::new(ErrorKind::Unreachable, format!("what listens at the socket is not swarmd (HTTP {status})"))
        .with_hint("name the daemon's socket with --socket")
}

fn is_answer_to(answer: &ApiAnswer, request: &ApiRequest) -> bool {
    match request {
        ApiRequest::Status => matches!(answer, ApiAnswer::Status(_)),
        ApiRequest::Balance { .. } => matches!(answer, ApiAnswer::Balance(_)),
        ApiRequest::History { .. } => matches!(answer, ApiAnswer::History(_)),
        ApiRequest::Explain { .. } => matches!(answer, ApiAnswer::Explain(_)),
        ApiRequest::Receipt { .. } => matches!(answer, ApiAnswer::Receipt(_)),
        ApiRequest::Verify => matches!(answer, ApiAnswer::Verify(_)),
        ApiRequest::Export { .. } => matches!(answer, ApiAnswer::Export(_)),
        ApiRequest::Frontier => matches!(answer, ApiAnswer::Frontier(_)),
        ApiRequest::Peers => matches!(answer, ApiAnswer::Peers(_)),
        ApiRequest::Swarm => matches!(answer, ApiAnswer::Swarm(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_to_connect_has_its_kind() {
        let rows = [
            (io::ErrorKind::NotFound, ErrorKind::Unreachable),
            (io::ErrorKind::ConnectionRefused, ErrorKind::Unreachable),
            (io::ErrorKind::PermissionDenied, ErrorKind::NotPermitted),
            (io::ErrorKind::InvalidInput, ErrorKind::Usage),
            (io::ErrorKind::NotADirectory, ErrorKind::Unreachable),
        ];
        for (cause, kind) in rows {
            assert_eq!(no_connection(&[(Path::new("/s"), cause.into())]).kind, kind, "{cause:?}");
        }
    }

    #[test]
    fn a_socket_one_may_not_open_outranks_one_that_is_absent() {
        let failures = [
            (Path::new("/a"), io::ErrorKind::NotFound.into()),
            (Path::new("/b"), io::ErrorKind::PermissionDenied.into()),
        ];
        assert_eq!(no_connection(&failures).message, "not permitted to open the socket /b");
        assert_eq!(no_connection(&failures[..1]).message, "no daemon listens at /a");
    }
}
