//! Peers that we want to be connected to, and when to try them next.
//!
//! Pure: time is an argument. Waiting doubles with each failure up to a minute
//! and is spread by a hash, so that a swarm that lost its first peer does not
//! come back to it all at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::ids::AccountId;

use super::address::{Address, PeerAddress};

/// Peers in the book: the target and as many again to replace them.
const PEERS_MAX: usize = 64;

/// Addresses kept for one peer; the newest replaces the oldest.
const ADDRESSES_MAX: usize = 4;

/// A peer that was only found, not configured, is forgotten after so many failures.
const FOUND_FAILURES_MAX: u32 = 5;

const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Where an address came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Announced on the local network; given up when it does not answer.
    Found,
    /// Configured, from a ticket or asked for: tried for ever.
    Wanted,
}

#[derive(Debug)]
struct Entry {
    addresses: Vec<Address>,
    origin: Origin,
    failures: u32,
    next: Instant,
}

/// The book of peers to dial.
#[derive(Debug)]
pub(super) struct DialBook {
    own: AccountId,
    entries: BTreeMap<AccountId, Entry>,
}

impl DialBook {
    pub(super) fn new(own: AccountId) -> Self {
        Self { own, entries: BTreeMap::new() }
    }

    /// Adds a peer or another address of it, to be tried at once. When the book
    /// is full a peer that was only found makes room, or the new one is dropped.
    pub(super) fn add(&mut self, peer: PeerAddress, origin: Origin, now: Instant) {
        if peer.account == self.own {
            return;
        }
        if !self.entries.contains_key(&peer.account) && self.entries.len() >= PEERS_MAX {
            let mut found = self.entries.iter().filter(|(_, entry)| entry.origin == Origin::Found);
            let Some((&worst, _)) = found.by_ref().max_by_key(|(_, entry)| entry.failures) else {
                return;
            };
            self.entries.remove(&worst);
        }
        let new = Entry { addresses: Vec::new(), origin, failures: 0, next: now };
        let entry = self.entries.entry(peer.account).or_insert(new);
        entry.origin = entry.origin.max(origin);
        if !entry.addresses.contains(&peer.address) {
            if entry.addresses.len() >= ADDRESSES_MAX {
                entry.addresses.remove(0);
            }
            entry.addresses.push(peer.address);
            (entry.failures, entry.next) = (0, now);
        } else if origin == Origin::Wanted {
            entry.next = now;
        }
    }

    /// The peers whose time has come, with their addresses.
    pub(super) fn due(&self, now: Instant) -> Vec<(AccountId, Vec<Address>)> {
        let due = self.entries.iter().filter(|(_, entry)| entry.next <= now);
        due.map(|(account, entry)| (*account, entry.addresses.clone())).collect()
    }

    /// Notes that an attempt begins: the peer is not due again while it may last.
    pub(super) fn started(&mut self, account: &AccountId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.next = now + WAIT_MAX;
        }
    }

    /// Notes a failure and returns how many there were in a row; 0 if the peer is not in the book.
    pub(super) fn failed(&mut self, account: &AccountId, now: Instant) -> u32 {
        let Some(entry) = self.entries.get_mut(account) else {
            return 0;
        };
        entry.failures = entry.failures.saturating_add(1);
        let failures = entry.failures;
        if entry.origin == Origin::Found && failures >= FOUND_FAILURES_MAX {
            self.entries.remove(account);
            return failures;
        }
        entry.next = now + wait(&self.own, account, failures);
        failures
    }

    /// Notes that a peer that was up is gone: it is tried again soon.
    pub(super) fn lost(&mut self, account: &AccountId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.failures = 0;
            entry.next = now + wait(&self.own, account, 0);
        }
    }
}

/// Between a half and the whole of 0.5 s · 2^failures, at most a minute.
fn wait(own: &AccountId, peer: &AccountId, failures: u32) -> Duration {
    let longest = WAIT_MIN.saturating_mul(1 << failures.min(16)).min(WAIT_MAX);
    let mut hasher = blake3::Hasher::new();
    hasher.update(own.as_bytes()).update(peer.as_bytes()).update(&failures.to_le_bytes());
    let share = u32::from(hasher.finalize().as_bytes()[0]);
    longest / 2 + longest / 2 * share / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: AccountId = AccountId::new([1; 32]);
    const PEER: AccountId = AccountId::new([2; 32]);

    fn at(account: AccountId, port: u16) -> PeerAddress {
        PeerAddress { account, address: format!("quic://127.0.0.1:{port}").parse().unwrap() }
    }

    fn ports(book: &DialBook, now: Instant) -> Vec<u16> {
        let addresses = book.due(now).into_iter().flat_map(|(_, addresses)| addresses);
        addresses.map(|address| address.socket.port()).collect()
    }

    #[test]
    fn a_new_peer_is_due_at_once_and_not_while_it_is_tried() {
        let now = Instant::now();
        let mut book = DialBook::new(OWN);
        book.add(at(PEER, 1), Origin::Wanted, now);
        book.add(at(PEER, 2), Origin::Wanted, now);
        assert_eq!(ports(&book, now), [1, 2]);
        book.started(&PEER, now);
        assert_eq!(ports(&book, now + Duration::from_secs(59)), [0_u16; 0]);
        book.add(at(PEER, 2), Origin::Wanted, now);
        assert_eq!(ports(&book, now), [1, 2]);
    }

    #[test]
    fn waiting_doubles_up_to_a_minute_and_is_spread() {
        let now = Instant::now();
        let mut book = DialBook::new(OWN);
        book.add(at(PEER, 1), Origin::Wanted, now);
        for longest in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            book.failed(&PEER, now);
            let (half, whole) = (Duration::from_secs_f64(longest / 2.0), Duration::from_secs_f64(longest));
            assert_eq!(ports(&book, now + half - Duration::from_millis(1)), [0_u16; 0], "{longest}");
            assert_eq!(ports(&book, now + whole), [1], "{longest}");
        }
        book.lost(&PEER, now);
        assert_eq!(ports(&book, now + Duration::from_millis(500)), [1]);
        let waits: Vec<_> = (0..20).map(|n| wait(&AccountId::new([n; 32]), &PEER, 3)).collect();
        assert!(waits.iter().min() < waits.iter().max());
    }

    #[test]
    fn found_peers_are_forgotten_and_wanted_ones_kept() {
        let now = Instant::now();
        for (origin, kept) in [(Origin::Found, 0), (Origin::Wanted, 1)] {
            let mut book = DialBook::new(OWN);
            book.add(at(PEER, 1), origin, now);
            for _ in 0..5 {
                book.failed(&PEER, now);
            }
            assert_eq!(book.due(now + WAIT_MAX).len(), kept);
        }
    }

    #[test]
    fn the_book_is_bounded_and_leaves_us_out() {
        let now = Instant::now();
        let mut book = DialBook::new(OWN);
        book.add(at(OWN, 1), Origin::Wanted, now);
        assert_eq!(book.due(now).len(), 0);
        book.add(at(PEER, 1), Origin::Found, now);
        for number in 0..100 {
            book.add(at(AccountId::new([100 + number; 32]), 1), Origin::Wanted, now);
        }
        assert_eq!(book.due(now).len(), 64);
        assert!(!book.due(now).iter().any(|(account, _)| *account == PEER));
        for port in 1..=9 {
            book.add(at(AccountId::new([100; 32]), port), Origin::Wanted, now);
        }
        assert_eq!(ports(&book, now)[..4], [6, 7, 8, 9]);
    }
}
