//! The local API's JSON is frozen: each file here is one answer, byte for byte in
//! field names, order and meaning.

use proto::api::{
    ApiAnswer, ApiError, ApiRequest, Balance, Doing, ERROR_SCHEMA, ErrorKind, HISTORY_ROWS_DEFAULT, IdPrefix,
    Method, NameError, ReceiptKind, ReceiptName,
};

const ANSWERS: [(&str, &str); 16] = [
    ("swarm.status/1", include_str!("api/status.json")),
    ("swarm.status/1", include_str!("api/status_idle.json")),
    ("swarm.status/1", include_str!("api/status_checking.json")),
    ("swarm.status/1", include_str!("api/status_no_worker.json")),
    ("swarm.balance/1", include_str!("api/balance.json")),
    ("swarm.history/1", include_str!("api/history.json")),
    ("swarm.export/1", include_str!("api/export.json")),
    ("swarm.export/1", include_str!("api/export_end.json")),
    ("swarm.explain/1", include_str!("api/explain.json")),
    ("swarm.receipt/1", include_str!("api/receipt.json")),
    ("swarm.verify/1", include_str!("api/verify.json")),
    ("swarm.verify/1", include_str!("api/verify_bad.json")),
    ("swarm.frontier/1", include_str!("api/frontier.json")),
    ("swarm.peers/1", include_str!("api/peers.json")),
    ("swarm.peers/1", include_str!("api/peers_none.json")),
    ("swarm.swarm/1", include_str!("api/swarm.json")),
];

fn prefix(text: &str) -> IdPrefix {
    text.parse().expect("8 to 64 hex digits")
}

#[test]
fn every_answer_is_read_and_written_as_frozen() {
    for (schema, text) in ANSWERS {
        let answer: ApiAnswer =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{schema}: {error}"));
        let written = serde_json::to_string_pretty(&answer).unwrap() + "\n";
        assert_eq!(written, text);
        assert!(text.starts_with(&format!("{{\n  \"schema\": \"{schema}\",\n")), "{schema}");
    }
}

#[test]
fn an_error_is_read_and_written_as_frozen() {
    let text = include_str!("api/error.json");
    let expected = ApiError::new(ErrorKind::NotFound, "no receipt starts with 12345678")
        .with_hint("swarmctl ledger history lists them");
    assert_eq!(serde_json::from_str::<ApiError>(text).unwrap(), expected);
    assert_eq!(serde_json::to_string_pretty(&expected).unwrap() + "\n", text);
    assert!(text.contains(ERROR_SCHEMA));
    let bare = ApiError::new(ErrorKind::Bug, "x");
    assert_eq!(
        serde_json::to_string(&bare).unwrap(),
        r#"{"schema":"swarm.error/1","kind":"bug","message":"x"}"#
    );
}

#[test]
fn the_fields_mean_what_they_are_called() {
    let ApiAnswer::Status(status) = serde_json::from_str(include_str!("api/status.json")).unwrap() else {
        panic!("another answer");
    };
    assert_eq!(status.account.short(), "a1a1a1a1");
    assert_eq!(status.balance.vesting_ucr, 2_500_000);
    assert!(matches!(status.doing, Doing::Training { trial: 3, step: 120, steps: 400, .. }));
    let ApiAnswer::Balance(balance) = serde_json::from_str(include_str!("api/balance.json")).unwrap() else {
        panic!("another answer");
    };
    let Balance { counted, settled, uncovered_ucr, .. } = *balance;
    assert_eq!((counted.vesting.amount_ucr, settled.spendable_ucr, uncovered_ucr), (2_500_000, 100, 7));
}

#[test]
fn a_reader_skips_fields_it_does_not_know_and_refuses_another_schema() {
    let more = r#"{"schema":"swarm.peers/1","peers":[],"new":1}"#;
    assert!(matches!(serde_json::from_str(more), Ok(ApiAnswer::Peers(peers)) if peers.peers.is_empty()));
    let other = r#"{"schema":"swarm.peers/2","peers":[]}"#;
    assert!(serde_json::from_str::<ApiAnswer>(other).is_err());
}

#[test]
fn each_request_has_its_frozen_path() {
    let account = Some(prefix("A1B2C3D4"));
    let history = |account, kind, limit| ApiRequest::History { account, kind, limit };
    let last = ReceiptName::Last;
    let rows = [
        (ApiRequest::Status, "/v1/status"),
        (ApiRequest::Balance { account: None }, "/v1/ledger/balance"),
        (ApiRequest::Balance { account: account.clone() }, "/v1/ledger/balance?account=a1b2c3d4"),
        (history(None, None, HISTORY_ROWS_DEFAULT), "/v1/ledger/history"),
        (
            history(account, Some(ReceiptKind::Mint), 5),
            "/v1/ledger/history?account=a1b2c3d4&kind=mint&limit=5",
        ),
        (ApiRequest::Explain { receipt: last.clone() }, "/v1/ledger/explain/last"),
        (ApiRequest::Receipt { receipt: "0123456789".parse().unwrap() }, "/v1/ledger/receipt/0123456789"),
        (ApiRequest::Verify, "/v1/ledger/verify"),
        (ApiRequest::Export { account: None, from_seq: 1 }, "/v1/ledger/export"),
        (ApiRequest::Export { account: None, from_seq: 9 }, "/v1/ledger/export?from_seq=9"),
        (ApiRequest::Frontier, "/v1/search/frontier"),
        (ApiRequest::Peers, "/v1/peers"),
        (ApiRequest::Swarm, "/v1/swarm"),
    ];
    for (request, target) in rows {
        assert_eq!(request.target(), target);
        let posts = request == ApiRequest::Verify;
        assert_eq!(request.method() == Method::Post, posts, "{target}");
    }
}

#[test]
fn a_name_is_last_or_eight_to_sixty_four_hex_digits() {
    for text in ["", "las", "1234567", "1234567g", "12 45678", &"a".repeat(65)] {
        assert_eq!(text.parse::<ReceiptName>(), Err(NameError::Id), "{text}");
    }
    for text in ["last", "12345678", &"a".repeat(64)] {
        assert_eq!(text.parse::<ReceiptName>().unwrap().to_string(), text);
    }
    assert_eq!("mints".parse::<ReceiptKind>(), Err(NameError::Kind));
    assert_eq!("mint".parse::<ReceiptKind>(), Ok(ReceiptKind::Mint));
}

#[test]
fn a_prefix_starts_the_ids_it_starts() {
    let mut id = [0xab; 32];
    id[4] = 0xcd;
    assert!(prefix("ababababc").is_start_of(&id));
    assert!(prefix("ABABABABCD").is_start_of(&id));
    assert!(!prefix("ababababd").is_start_of(&id));
    assert!(!prefix("abababab0").is_start_of(&id));
    assert!(prefix(&"ab".repeat(32)).is_start_of(&[0xab; 32]));
}
