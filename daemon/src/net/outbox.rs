//! Events on their way to the node: bounded, ordered, and never waited for.
//!
//! Some events may be dropped when the node is behind, others must arrive. The
//! latter wait here, and their number is bounded by what they report on: answers
//! by the requests under way, arrivals and departures by the peers.

use std::collections::VecDeque;

use proto::ids::AccountId;
use tokio::sync::mpsc;

use super::NetEvent;

/// Events that may wait: every peer and request twice over, and some. Only a
/// node that goes on asking without ever listening reaches it.
const WAITING_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Outbox {
    channel: mpsc::Sender<NetEvent>,
    waiting: VecDeque<NetEvent>,
}

impl Outbox {
    pub(super) fn new(channel: mpsc::Sender<NetEvent>) -> Self {
        Self { channel, waiting: VecDeque::new() }
    }

    /// Sends an event if the node keeps up, and says whether it did.
    pub(super) fn offer(&mut self, event: NetEvent) -> bool {
        self.waiting.is_empty() && self.channel.try_send(event).is_ok()
    }

    /// Sends an event now or keeps it until the node has room.
    pub(super) fn push(&mut self, event: NetEvent) {
        if let NetEvent::PeerDown(account) = &event
            && self.take_back_arrival(account)
        {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            tracing::warn!("node does not listen, event lost");
        } else if !self.waiting.is_empty() {
            self.waiting.push_back(event);
        } else if let Err(mpsc::error::TrySendError::Full(event)) = self.channel.try_send(event) {
            self.waiting.push_back(event);
        }
    }

    /// A peer that left before the node heard of it was never there; without
    /// this a peer that comes and goes would fill the queue.
    fn take_back_arrival(&mut self, account: &AccountId) -> bool {
        let arrival = self.waiting.iter().rposition(
            |waiting| matches!(waiting, NetEvent::PeerUp { account: arrived, .. } if arrived == account),
        );
        arrival.and_then(|position| self.waiting.remove(position)).is_some()
    }

    /// Whether events wait for room.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The channel, to wait for room in it.
    pub(super) fn channel(&self) -> mpsc::Sender<NetEvent> {
        self.channel.clone()
    }

    /// The event that has waited longest.
    pub(super) fn next(&mut self) -> Option<NetEvent> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn up(number: u8) -> NetEvent {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        NetEvent::PeerUp { account: AccountId::new([number; 32]), address }
    }

    fn down(number: u8) -> NetEvent {
        NetEvent::PeerDown(AccountId::new([number; 32]))
    }

    #[test]
    fn events_that_must_arrive_wait_in_order_and_others_are_refused() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        assert!(outbox.offer(up(1)));
        outbox.push(up(2));
        outbox.push(down(1));
        assert!(!outbox.offer(up(3)));
        assert_eq!(format!("{:?}", receiver.try_recv().unwrap()), format!("{:?}", up(1)));
        // There is room again, but an event must not overtake those that wait.
        assert!(!outbox.offer(up(3)));
        assert_eq!(format!("{:?}", outbox.next().unwrap()), format!("{:?}", up(2)));
        assert_eq!(format!("{:?}", outbox.next().unwrap()), format!("{:?}", down(1)));
        assert!(!outbox.is_behind());
    }

    #[test]
    fn a_peer_that_comes_and_goes_unheard_leaves_no_trace() {
        let (sender, _receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        assert!(outbox.offer(up(1)));
        for _ in 0..1000 {
            outbox.push(down(1));
            outbox.push(up(1));
            outbox.push(up(2));
            outbox.push(down(2));
            outbox.push(down(1));
            outbox.push(up(1));
        }
        let kept: Vec<_> = std::iter::from_fn(|| outbox.next()).map(|event| format!("{event:?}")).collect();
        assert_eq!(kept, [format!("{:?}", down(1)), format!("{:?}", up(1))]);
    }
}
