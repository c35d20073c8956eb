//! `peer list`.

use proto::api::{Peer, Peers};

use crate::amounts::{short, span};
use crate::output::Page;

/// Says who is connected.
pub(crate) fn say(peers: &Peers, page: &mut Page) {
    if peers.peers.is_empty() {
        page.line("No peers are connected.");
        return;
    }
    let row = |peer: &Peer| {
        let number = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
        vec![
            short(peer.account),
            if peer.is_founder { "founder" } else { "" }.to_owned(),
            peer.version.clone().unwrap_or_else(|| "?".to_owned()),
            span(peer.connected_seconds),
            number(peer.round_trip_ms.map(|ms| format!("{ms} ms"))),
            number(peer.clock_offset_ms.map(|ms| format!("{ms:+} ms"))),
            number(peer.head_seq.map(|seq| seq.to_string())),
            peer.address.clone(),
        ]
    };
    page.table(
        &["peer", "role", "version", ">connected", ">round trip", ">clock", ">receipts", "address"],
        peers.peers.iter().map(row).collect(),
    );
}
