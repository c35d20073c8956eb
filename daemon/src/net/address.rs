//! Where a node listens and where a peer is found: carrier, IP address and port.
//!
//! Written as `quic://127.0.0.1:7400` or `tcp://[::1]:7400`. Host names are not resolved.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use proto::ids::AccountId;

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// QUIC over UDP, preferred.
    Quic,
    /// TCP with noise and yamux, where UDP is blocked.
    Tcp,
}

impl Carrier {
    /// The scheme in front of an address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        }
    }
}

/// A place to listen or to dial. Port 0 means any port, and only for listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// How bytes travel.
    pub carrier: Carrier,
    /// IP address and port.
    pub socket: SocketAddr,
}

/// A peer and one place where it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// Who must answer there.
    pub account: AccountId,
    /// Where.
    pub address: Address,
}

/// Text that is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The part before `://` names no carrier.
    #[error("an address begins with quic:// or tcp://")]
    Carrier,
    /// The rest is not an IP address with a port.
    #[error("an address ends with an ip address and a port")]
    Socket,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.carrier.name(), self.socket)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, socket) = text.split_once("://").ok_or(AddressError::Carrier)?;
        let carrier = [Carrier::Quic, Carrier::Tcp].into_iter().find(|carrier| carrier.name() == scheme);
        let carrier = carrier.ok_or(AddressError::Carrier)?;
        let socket = socket.parse().map_err(|_| AddressError::Socket)?;
        Ok(Self { carrier, socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip_as_text() {
        for text in ["quic://127.0.0.1:7400", "tcp://0.0.0.0:0", "quic://[::1]:1"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_text_is_refused_by_its_part() {
        for text in ["127.0.0.1:7400", "udp://127.0.0.1:7400", "QUIC://127.0.0.1:7400", ""] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Carrier), "{text}");
        }
        for text in ["quic://127.0.0.1", "quic://host:1", "tcp://127.0.0.1:65536", "tcp://"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Socket), "{text}");
        }
    }
}
