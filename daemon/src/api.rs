//! The local API: routes under `/v1`, each of which asks the runtime one question.
//!
//! Nothing is decided here. A request becomes an [`ApiCall`] on a bounded channel;
//! whoever owns the node answers it, with [`views`] where the ledger alone knows
//! the answer. The types on the wire are those of `proto::api`.

pub mod socket;
pub mod views;

use std::str::FromStr;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use proto::api::{
    ApiAnswer, ApiError, ApiRequest, ErrorKind, HISTORY_ROWS_DEFAULT, HISTORY_ROWS_MAX, IdPrefix,
    VERSION_HEADER,
};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

pub use socket::{ApiSocket, SocketError};

/// Questions that may wait for the runtime: more than a person asks at once, and
/// few enough that the last still has its answer in time.
pub const CALLS_MAX: usize = 16;

/// One question to the runtime, and where its answer goes.
#[derive(Debug)]
pub struct ApiCall {
    /// What is asked.
    pub request: ApiRequest,
    /// The answer; dropping it unanswered means that the daemon is stopping.
    pub reply: oneshot::Sender<Result<ApiAnswer, ApiError>>,
}

/// The routes; each sends its question to `calls`.
pub fn router(calls: mpsc::Sender<ApiCall>) -> Router {
    Router::new()
        .route("/v1/status", get(|State(calls)| ask(calls, ApiRequest::Status)))
        .route("/v1/ledger/balance", get(balance))
        .route("/v1/ledger/history", get(history))
        .route("/v1/ledger/explain/{receipt}", get(explain))
        .route("/v1/ledger/receipt/{receipt}", get(receipt))
        .route("/v1/ledger/verify", post(|State(calls)| ask(calls, ApiRequest::Verify)))
        .route("/v1/ledger/export", get(export))
        .route("/v1/search/frontier", get(|State(calls)| ask(calls, ApiRequest::Frontier)))
        .route("/v1/peers", get(|State(calls)| ask(calls, ApiRequest::Peers)))
        .route("/v1/swarm", get(|State(calls)| ask(calls, ApiRequest::Swarm)))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .with_state(calls)
}

type Calls = State<mpsc::Sender<ApiCall>>;

/// What a query may say; each handler takes what its request has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    account: Option<String>,
    kind: Option<String>,
    limit: Option<String>,
    from_seq: Option<String>,
}

type AskedQuery = Result<Query<Asked>, QueryRejection>;

async fn balance(State(calls): Calls, query: AskedQuery) -> Response {
    let request = read_query(query).and_then(|asked| {
        none_of(&[("kind", &asked.kind), ("limit", &asked.limit), ("from_seq", &asked.from_seq)])?;
        Ok(ApiRequest::Balance { account: parse::<IdPrefix>("account", asked.account.as_deref())? })
    });
    ask_if(calls, request).await
}

async fn history(State(calls): Calls, query: AskedQuery) -> Response {
    let request = read_query(query).and_then(|asked| {
        none_of(&[("from_seq", &asked.from_seq)])?;
        let limit = parse("limit", asked.limit.as_deref())?.unwrap_or(HISTORY_ROWS_DEFAULT);
        if !(1..=HISTORY_ROWS_MAX).contains(&limit) {
            return Err(usage(format!("limit={limit} is not in 1..={HISTORY_ROWS_MAX}")));
        }
        let account = parse("account", asked.account.as_deref())?;
        Ok(ApiRequest::History { account, kind: parse("kind", asked.kind.as_deref())?, limit })
    });
    ask_if(calls, request).await
}

async fn export(State(calls): Calls, query: AskedQuery) -> Response {
    let request = read_query(query).and_then(|asked| {
        none_of(&[("kind", &asked.kind), ("limit", &asked.limit)])?;
        let from_seq = parse("from_seq", asked.from_seq.as_deref())?.unwrap_or(1);
        Ok(ApiRequest::Export { account: parse("account", asked.account.as_deref())?, from_seq })
    });
    ask_if(calls, request).await
}

async fn explain(State(calls): Calls, Path(name): Path<String>) -> Response {
    let request = name.parse().map(|receipt| ApiRequest::Explain { receipt });
    ask_if(calls, request.map_err(|error| usage(format!("{name:?} names no receipt: {error}")))).await
}

async fn receipt(State(calls): Calls, Path(name): Path<String>) -> Response {
    let request = name.parse().map(|receipt| ApiRequest::Receipt { receipt });
    ask_if(calls, request.map_err(|error| usage(format!("{name:?} names no receipt: {error}")))).await
}

async fn no_route(method: Method, uri: Uri) -> Response {
    let message =
        format!("this daemon (version {}) has no {method} {}", env!("CARGO_PKG_VERSION"), uri.path());
    let error = ApiError::new(ErrorKind::VersionMismatch, message);
    respond(Err(error.with_hint("update the daemon, and restart it after an update")))
}

fn usage(message: String) -> ApiError {
    ApiError::new(ErrorKind::Usage, message)
}

fn read_query(query: AskedQuery) -> Result<Asked, ApiError> {
    query.map(|Query(asked)| asked).map_err(|rejection| usage(rejection.body_text().to_lowercase()))
}

fn none_of(unused: &[(&str, &Option<String>)]) -> Result<(), ApiError> {
    match unused.iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) => Err(usage(format!("{name} means nothing here"))),
        None => Ok(()),
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(name: &str, value: Option<&str>) -> Result<Option<T>, ApiError> {
    let parse = |text: &str| text.parse().map_err(|error| usage(format!("{name}={text}: {error}")));
    value.map(parse).transpose()
}

async fn ask_if(calls: mpsc::Sender<ApiCall>, request: Result<ApiRequest, ApiError>) -> Response {
    match request {
        Ok(request) => ask(calls, request).await,
        Err(error) => respond(Err(error)),
    }
}

async fn ask(calls: mpsc::Sender<ApiCall>, request: ApiRequest) -> Response {
    let patience = Duration::from_secs(request.patience_seconds());
    respond(ask_within(&calls, request, patience).await)
}

/// Asks the runtime and waits for its answer.
async fn ask_within(
    calls: &mpsc::Sender<ApiCall>,
    request: ApiRequest,
    patience: Duration,
) -> Result<ApiAnswer, ApiError> {
    let stopping = || {
        ApiError::new(ErrorKind::Unreachable, "the daemon is stopping")
            .with_hint("start it again with `swarmd run`")
    };
    let (reply, answer) = oneshot::channel();
    let asked = async {
        calls.send(ApiCall { request, reply }).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(done) => done,
        Err(_) => {
            let message = format!("the daemon had no answer within {} s", patience.as_secs());
            Err(ApiError::new(ErrorKind::TimedOut, message).with_hint("it is busy; try again"))
        }
    }
}

fn respond(done: Result<ApiAnswer, ApiError>) -> Response {
    let mut response = match done {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (status_of(error.kind), Json(error)).into_response(),
    };
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Refused => StatusCode::CONFLICT,
        ErrorKind::Usage => StatusCode::BAD_REQUEST,
        ErrorKind::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::NotPermitted => StatusCode::FORBIDDEN,
        ErrorKind::NotFound | ErrorKind::VersionMismatch => StatusCode::NOT_FOUND,
        ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::NotEnoughCredits => StatusCode::PAYMENT_REQUIRED,
        ErrorKind::VerificationFailed | ErrorKind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Network => StatusCode::BAD_GATEWAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path as FilePath;

    use proto::api::{Peers, ReceiptKind, ReceiptName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    /// Status, head and body of one request, written out by hand.
    async fn exchange(socket: &FilePath, line: &str) -> (u16, String, serde_json::Value) {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: swarmd\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").parse().unwrap();
        (status, head.to_owned(), serde_json::from_str(body).unwrap())
    }

    /// A served socket whose runtime refuses each question by saying it.
    struct Served {
        folder: tempfile::TempDir,
        stop: oneshot::Sender<()>,
        done: tokio::task::JoinHandle<Result<(), SocketError>>,
    }

    impl Served {
        async fn start(answer: fn(ApiRequest) -> Result<ApiAnswer, ApiError>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let socket = ApiSocket::bind(&folder.path().join("api.sock")).await.unwrap();
            let (calls, mut asked) = mpsc::channel::<ApiCall>(CALLS_MAX);
            tokio::spawn(async move {
                while let Some(call) = asked.recv().await {
                    // Whoever asked may have gone.
                    let _ = call.reply.send(answer(call.request));
                }
            });
            let (stop, stopped) = oneshot::channel::<()>();
            let done = tokio::spawn(socket.serve(calls, async {
                // A dropped sender stops the socket as well.
                let _ = stopped.await;
            }));
            Self { folder, stop, done }
        }

        fn socket(&self) -> std::path::PathBuf {
            self.folder.path().join("api.sock")
        }
    }

    fn say(request: ApiRequest) -> Result<ApiAnswer, ApiError> {
        Err(ApiError::new(ErrorKind::Refused, format!("{request:?}")))
    }

    #[tokio::test]
    async fn every_request_arrives_as_it_was_asked() {
        let served = Served::start(say).await;
        let account: Option<IdPrefix> = Some("a1b2c3d4".parse().unwrap());
        let requests = [
            ApiRequest::Status,
            ApiRequest::Balance { account: None },
            ApiRequest::Balance { account: account.clone() },
            ApiRequest::History { account: None, kind: None, limit: HISTORY_ROWS_DEFAULT },
            ApiRequest::History { account: account.clone(), kind: Some(ReceiptKind::Vest), limit: 1_000 },
            ApiRequest::Explain { receipt: ReceiptName::Last },
            ApiRequest::Receipt { receipt: "0123456789abcdef".parse().unwrap() },
            ApiRequest::Verify,
            ApiRequest::Export { account, from_seq: 7 },
            ApiRequest::Export { account: None, from_seq: 1 },
            ApiRequest::Frontier,
            ApiRequest::Peers,
            ApiRequest::Swarm,
        ];
        for request in requests {
            let method = match request.method() {
                proto::api::Method::Get => "GET",
                proto::api::Method::Post => "POST",
            };
            let (status, _, body) =
                exchange(&served.socket(), &format!("{method} {}", request.target())).await;
            assert_eq!(status, 409, "{request:?}");
            assert_eq!(body["message"], format!("{request:?}"));
        }
    }

    #[tokio::test]
    async fn malformed_requests_are_answered_with_what_is_wrong() {
        let served = Served::start(say).await;
        let kinds = "the kinds are genesis, claim, attest, mint, vest, hold, settle and release";
        let rows = [
            (
                "GET /v1/ledger/balance?account=12",
                "account=12: an id is 64 hex digits, or at least its first 8",
            ),
            ("GET /v1/ledger/balance?limit=5", "limit means nothing here"),
            ("GET /v1/ledger/history?kind=mints", &format!("kind=mints: {kinds}")),
            ("GET /v1/ledger/history?limit=0", "limit=0 is not in 1..=1000"),
            ("GET /v1/ledger/history?limit=1001", "limit=1001 is not in 1..=1000"),
            ("GET /v1/ledger/history?limit=x", "limit=x: invalid digit found in string"),
            ("GET /v1/ledger/export?from_seq=-1", "from_seq=-1: invalid digit found in string"),
            (
                "GET /v1/ledger/explain/first",
                "\"first\" names no receipt: an id is 64 hex digits, or at least its first 8",
            ),
        ];
        for (line, message) in rows {
            let (status, _, body) = exchange(&served.socket(), line).await;
            assert_eq!((status, body["kind"].as_str()), (400, Some("usage")), "{line}");
            assert_eq!(body["message"], *message, "{line}");
            assert_eq!(body["schema"], "swarm.error/1");
        }
        let (status, _, body) = exchange(&served.socket(), "GET /v1/ledger/history?seq=1").await;
        assert_eq!((status, body["kind"].as_str()), (400, Some("usage")));
    }

    #[tokio::test]
    async fn unknown_routes_and_methods_are_another_version() {
        let served = Served::start(say).await;
        for line in ["GET /v1/none", "GET /", "POST /v1/status", "GET /v1/ledger/verify"] {
            let (status, head, body) = exchange(&served.socket(), line).await;
            assert_eq!((status, body["kind"].as_str()), (404, Some("version_mismatch")), "{line}");
            let message = format!("this daemon (version {}) has no {line}", env!("CARGO_PKG_VERSION"));
            assert_eq!(body["message"], message);
            assert!(head.contains(&format!("x-swarm-version: {}", env!("CARGO_PKG_VERSION"))), "{head}");
        }
    }

    #[tokio::test]
    async fn an_answer_carries_its_schema() {
        let served = Served::start(|_| Ok(ApiAnswer::Peers(Peers { peers: vec![] }))).await;
        let (status, _, body) = exchange(&served.socket(), "GET /v1/peers").await;
        assert_eq!(status, 200);
        assert_eq!(body, serde_json::json!({"schema": "swarm.peers/1", "peers": []}));
    }

    #[tokio::test]
    async fn a_runtime_that_is_busy_or_gone_is_said_to_be_so() {
        let (calls, asked) = mpsc::channel(1);
        let error = ask_within(&calls, ApiRequest::Status, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut);
        let error = ask_within(&calls, ApiRequest::Status, Duration::ZERO).await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::TimedOut, "the daemon had no answer within 0 s")
        );
        drop(asked);
        let error = ask_within(&calls, ApiRequest::Status, Duration::from_secs(60)).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unreachable, "the daemon is stopping"));
        let (calls, mut asked) = mpsc::channel(1);
        tokio::spawn(async move { drop(asked.recv().await) });
        let error = ask_within(&calls, ApiRequest::Status, Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable);
    }

    #[tokio::test]
    async fn stopping_removes_the_socket_whoever_holds_a_connection() {
        let served = Served::start(say).await;
        let mut stuck = UnixStream::connect(served.socket()).await.unwrap();
        stuck.write_all(b"GET /v1/st").await.unwrap();
        served.stop.send(()).unwrap();
        served.done.await.unwrap().unwrap();
        assert!(!served.folder.path().join("api.sock").exists());
        assert_eq!(std::fs::read_dir(served.folder.path()).unwrap().count(), 0);
    }
}
