//! Tickets: what a newcomer needs to find a swarm, as one word to paste.
//!
//! `swarm1` and lower-case base32 without padding of
//! `swarm id 32 ‖ count u8 ‖ count × peer ‖ check 4`, a peer being
//! `account 32 ‖ carrier u8 ‖ family u8 ‖ ip 4 or 16 ‖ port u16le`, the check the
//! first bytes of the BLAKE3 hash of everything before it. It grants nothing:
//! it is an address, not a permission.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use proto::ids::{AccountId, SwarmId};

use super::address::{Address, Carrier, PeerAddress};

const PREFIX: &str = "swarm1";

/// Peers of one ticket: more would not fit a message, and three survive two outages.
const PEERS_MAX: usize = 3;

/// Text of a ticket with three IPv6 peers has 310 characters.
const TEXT_MAX: usize = 400;

const CHECK: usize = 4;

/// A swarm and where to find its first peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    swarm: SwarmId,
    peers: Vec<PeerAddress>,
}

/// Why something is not a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It does not begin with `swarm1`.
    #[error("a ticket begins with swarm1")]
    Prefix,
    /// It is longer than any ticket.
    #[error("a ticket has at most {TEXT_MAX} characters")]
    TooLong,
    /// A character does not belong to the alphabet, or one is missing at the end.
    #[error("a ticket holds only the letters a to z and the digits 2 to 7, and all of them")]
    Alphabet,
    /// A character was changed or lost.
    #[error("the ticket was copied wrongly: its check does not match")]
    Check,
    /// It names no peer, or more than three.
    #[error("a ticket names 1 to {PEERS_MAX} peers, not {0}")]
    Peers(usize),
    /// A carrier or address family is not known to this version.
    #[error("the ticket holds a kind of address that this version does not know")]
    UnknownAddress,
    /// A port is 0.
    #[error("the ticket holds an address without a port")]
    NoPort,
    /// The bytes end too early or go on after the last peer.
    #[error("the ticket has the wrong length")]
    Length,
}

impl Ticket {
    /// Makes a ticket.
    ///
    /// # Errors
    /// [`TicketError::Peers`] unless there are 1 to 3, [`TicketError::NoPort`] for port 0.
    pub fn new(swarm: SwarmId, peers: Vec<PeerAddress>) -> Result<Self, TicketError> {
        if peers.is_empty() || peers.len() > PEERS_MAX {
            return Err(TicketError::Peers(peers.len()));
        }
        if peers.iter().any(|peer| peer.address.socket.port() == 0) {
            return Err(TicketError::NoPort);
        }
        Ok(Self { swarm, peers })
    }

    /// The swarm it leads to.
    pub fn swarm(&self) -> SwarmId {
        self.swarm
    }

    /// The peers to dial, 1 to 3.
    pub fn peers(&self) -> &[PeerAddress] {
        &self.peers
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.swarm.to_vec();
        bytes.push(u8::try_from(self.peers.len()).expect("a ticket has at most three peers"));
        for PeerAddress { account, address } in &self.peers {
            bytes.extend_from_slice(account.as_bytes());
            bytes.push(match address.carrier {
                Carrier::Quic => 0,
                Carrier::Tcp => 1,
            });
            match address.socket.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&address.socket.port().to_le_bytes());
        }
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK]);
    check
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&self.to_bytes()).to_ascii_lowercase())
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Accepts upper case as well: codes for cameras are smaller in it.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > TEXT_MAX {
            return Err(TicketError::TooLong);
        }
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix(PREFIX).ok_or(TicketError::Prefix)?;
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        let bytes = bytes.map_err(|_| TicketError::Alphabet)?;
        let (body, written) = bytes.split_last_chunk::<CHECK>().ok_or(TicketError::Length)?;
        if check(body) != *written {
            return Err(TicketError::Check);
        }
        let mut rest = body;
        let swarm = SwarmId::new(take(&mut rest)?);
        let [count] = take(&mut rest)?;
        if count == 0 || usize::from(count) > PEERS_MAX {
            return Err(TicketError::Peers(count.into()));
        }
        let peers = (0..count).map(|_| take_peer(&mut rest)).collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(TicketError::Length);
        }
        Self::new(swarm, peers)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], TicketError> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(TicketError::Length)?;
    *rest = after;
    Ok(*taken)
}

fn take_peer(rest: &mut &[u8]) -> Result<PeerAddress, TicketError> {
    let account = AccountId::new(take(rest)?);
    let carrier = match take(rest)? {
        [0] => Carrier::Quic,
        [1] => Carrier::Tcp,
        [_] => return Err(TicketError::UnknownAddress),
    };
    let ip: IpAddr = match take(rest)? {
        [4] => take::<4>(rest)?.into(),
        [6] => take::<16>(rest)?.into(),
        [_] => return Err(TicketError::UnknownAddress),
    };
    let port = u16::from_le_bytes(take(rest)?);
    Ok(PeerAddress { account, address: Address { carrier, socket: SocketAddr::new(ip, port) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> PeerAddress {
        PeerAddress { account: AccountId::new([7; 32]), address: text.parse().unwrap() }
    }

    fn ticket() -> Ticket {
        Ticket::new(SwarmId::new([1; 32]), vec![peer("quic://127.0.0.1:7400")]).unwrap()
    }

    fn text_of(body: &[u8]) -> String {
        let bytes = [body, &check(body)].concat();
        format!("swarm1{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }

    fn refusal(text: &str) -> TicketError {
        text.parse::<Ticket>().unwrap_err()
    }

    #[test]
    fn tickets_round_trip_with_one_to_three_peers_and_in_upper_case() {
        let all = [peer("quic://127.0.0.1:7400"), peer("tcp://[2001:db8::1]:1"), peer("quic://[::1]:65535")];
        for count in 1..=3 {
            let ticket = Ticket::new(SwarmId::new([1; 32]), all[..count].to_vec()).unwrap();
            let text = ticket.to_string();
            assert_eq!(text.parse(), Ok(ticket.clone()));
            assert_eq!(format!(" {} \n", text.to_ascii_uppercase()).parse(), Ok(ticket));
        }
    }

    #[test]
    fn the_form_of_a_ticket_is_frozen() {
        assert_eq!(
            ticket().to_string(),
            "swarm1aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcbyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyhaach6aaaahubyrdggi4q"
        );
    }

    #[test]
    fn each_way_to_be_wrong_has_its_name() {
        let text = ticket().to_string();
        assert_eq!(refusal(""), TicketError::Prefix);
        assert_eq!(refusal("swarm2aaaa"), TicketError::Prefix);
        assert_eq!(refusal(&format!("{text}{}", "a".repeat(400))), TicketError::TooLong);
        assert_eq!(refusal("swarm1a0"), TicketError::Alphabet);
        assert_eq!(refusal(&text[..text.len() - 1]), TicketError::Alphabet);
        assert_eq!(refusal("swarm1"), TicketError::Length);
        let changed = if text.as_bytes()[20] == b'a' { "b" } else { "a" };
        assert_eq!(refusal(&format!("{}{changed}{}", &text[..20], &text[21..])), TicketError::Check);
    }

    #[test]
    fn bytes_with_a_good_check_are_still_bounded() {
        let bytes = ticket().to_bytes();
        let body = &bytes[..bytes.len() - CHECK];
        assert_eq!(text_of(body), ticket().to_string());
        let with = |position: usize, value: u8| {
            let mut body = body.to_vec();
            body[position] = value;
            text_of(&body)
        };
        assert_eq!(refusal(&with(32, 0)), TicketError::Peers(0));
        assert_eq!(refusal(&with(32, 4)), TicketError::Peers(4));
        assert_eq!(refusal(&with(32, 2)), TicketError::Length);
        assert_eq!(refusal(&with(65, 2)), TicketError::UnknownAddress);
        assert_eq!(refusal(&with(66, 5)), TicketError::UnknownAddress);
        assert_eq!(refusal(&with(66, 6)), TicketError::Length);
        assert_eq!(refusal(&text_of(&[body, &[0]].concat())), TicketError::Length);
        let mut no_port = body.to_vec();
        no_port[71..].fill(0);
        assert_eq!(refusal(&text_of(&no_port)), TicketError::NoPort);
        assert_eq!(Ticket::new(SwarmId::new([1; 32]), Vec::new()), Err(TicketError::Peers(0)));
    }
}
