//! Between the words of this project and those of libp2p; pure functions.
//!
//! An account and a peer id are the same 32 bytes: the peer id of an ed25519 key
//! is that key behind six fixed bytes, so that neither direction needs a table.

use std::net::{IpAddr, SocketAddr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use proto::ids::AccountId;

use super::address::{Address, Carrier};

/// Identity multihash of 36 bytes, holding a protobuf with key type ed25519 and
/// 32 bytes of key.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The peer id of an account.
pub(crate) fn peer_of(account: &AccountId) -> PeerId {
    let bytes = [&PEER_ID_PREFIX[..], account.as_bytes()].concat();
    PeerId::from_bytes(&bytes).expect("an identity multihash of 36 bytes is a peer id")
}

/// The account of a peer id; `None` if its key is not ed25519.
pub(crate) fn account_of(peer: &PeerId) -> Option<AccountId> {
    let bytes = peer.to_bytes();
    AccountId::try_from(bytes.strip_prefix(&PEER_ID_PREFIX)?).ok()
}

pub(super) fn to_multiaddr(address: &Address) -> Multiaddr {
    let ip = match address.socket.ip() {
        IpAddr::V4(ip) => Multiaddr::from(ip),
        IpAddr::V6(ip) => Multiaddr::from(ip),
    };
    let port = address.socket.port();
    match address.carrier {
        Carrier::Quic => ip.with(Protocol::Udp(port)).with(Protocol::QuicV1),
        Carrier::Tcp => ip.with(Protocol::Tcp(port)),
    }
}

/// The address in a multiaddr, with or without a peer id behind it; `None` if it
/// is of a kind that we do not use.
pub(super) fn from_multiaddr(multiaddr: &Multiaddr) -> Option<Address> {
    let mut parts = multiaddr.iter();
    let ip = ip_of(multiaddr)?;
    let (carrier, port) = match (parts.next()?, parts.next()?) {
        (_, Protocol::Tcp(port)) => (Carrier::Tcp, port),
        (_, Protocol::Udp(port)) if parts.next()? == Protocol::QuicV1 => (Carrier::Quic, port),
        _ => return None,
    };
    match (parts.next(), parts.next()) {
        (None | Some(Protocol::P2p(_)), None) => {}
        _ => return None,
    }
    Some(Address { carrier, socket: SocketAddr::new(ip, port) })
}

/// The IP address that a multiaddr begins with.
pub(super) fn ip_of(multiaddr: &Multiaddr) -> Option<IpAddr> {
    let first = multiaddr.iter().next()?;
    if let Protocol::Ip4(ip) = first {
        return Some(ip.into());
    }
    if let Protocol::Ip6(ip) = first { Some(ip.into()) } else { None }
}

/// Whether an address means something only on this machine or network.
pub(super) fn is_private(ip: &IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local() || ip.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn accounts_and_peer_ids_are_the_same_bytes() {
        let key = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let public = key.clone().try_into_ed25519().unwrap().public().to_bytes();
        let account = AccountId::new(public);
        assert_eq!(account_of(&key.public().to_peer_id()), Some(account));
        assert_eq!(peer_of(&account), key.public().to_peer_id());
        // Any 32 bytes make the trip, even if they are no point on the curve.
        let other = AccountId::new([0xff; 32]);
        assert_eq!(account_of(&peer_of(&other)), Some(other));
        assert_eq!(account_of(&PeerId::random()), None);
    }

    #[test]
    fn addresses_translate_both_ways() {
        for (ours, theirs) in [
            ("quic://127.0.0.1:7400", "/ip4/127.0.0.1/udp/7400/quic-v1"),
            ("tcp://[::1]:1", "/ip6/::1/tcp/1"),
        ] {
            let address: Address = ours.parse().unwrap();
            let multiaddr: Multiaddr = theirs.parse().unwrap();
            assert_eq!(to_multiaddr(&address), multiaddr);
            assert_eq!(from_multiaddr(&multiaddr), Some(address));
            let with_peer = multiaddr.with(Protocol::P2p(PeerId::random()));
            assert_eq!(from_multiaddr(&with_peer), Some(address));
        }
        for foreign in
            ["/ip4/1.2.3.4/udp/1", "/dns4/a.example/tcp/1", "/ip4/1.2.3.4/tcp/1/ws", "/ip4/1.2.3.4"]
        {
            assert_eq!(from_multiaddr(&foreign.parse().unwrap()), None, "{foreign}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(&ip.parse().unwrap()), "{ip}");
        }
        for ip in ["1.1.1.1", "2001:db8::1", "172.32.0.1"] {
            assert!(!is_private(&ip.parse().unwrap()), "{ip}");
        }
    }
}
