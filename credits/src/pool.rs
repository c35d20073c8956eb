//! Items that wait for what they name. Outside the set: nothing here counts.

use std::collections::{BTreeMap, BTreeSet};

use proto::ids::AccountId;

use crate::item::Item;
use crate::rules::Name;

/// Waiting items of one account: a chain's receipts may arrive backwards, no more.
const PER_ACCOUNT_MAX: usize = 32;

/// Bytes of all waiting items: memory that strangers can occupy.
const BYTES_MAX: usize = 16 << 20;

/// How long an item waits: what names it is gossiped within seconds.
const WAIT_MS_MAX: u64 = 10 * 60 * 1000;

/// What an item waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// For something to be in the set.
    Name(Name),
    /// For the clock to reach an epoch.
    Epoch(u64),
}

#[derive(Debug)]
struct Waiting {
    item: Item,
    waits: Vec<Wait>,
    since_ms: u64,
    bytes: usize,
}

/// The waiting items.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    items: BTreeMap<[u8; 32], Waiting>,
    by_wait: BTreeMap<Wait, BTreeSet<[u8; 32]>>,
    by_account: BTreeMap<AccountId, usize>,
    by_age: BTreeSet<(bool, u64, [u8; 32])>,
    bytes: usize,
}

/// Rough memory of a waiting item; exact for the signed bytes.
fn bytes_of(item: &Item) -> usize {
    const OVERHEAD: usize = 512;
    OVERHEAD
        + match item {
            Item::Receipt(receipt) => receipt.envelope().body.len(),
            Item::Draw(draw) => 256 * draw.shares.len(),
            Item::Anchor(anchor) => anchor.envelope().body.len(),
            Item::Fork(fork) => fork.first.envelope().body.len() + fork.second.envelope().body.len(),
        }
}

impl Pool {
    /// Number of waiting items.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Lets an item wait; false when its account has too many waiting already.
    /// Beyond the bound on bytes the oldest item goes, a stranger's first.
    pub(crate) fn put(&mut self, item: Item, waits: Vec<Wait>, is_founder: bool, now_ms: u64) -> bool {
        let key = item.key();
        if self.items.contains_key(&key) {
            return true;
        }
        let count = self.by_account.entry(item.account()).or_default();
        if *count >= PER_ACCOUNT_MAX {
            return false;
        }
        *count += 1;
        for wait in &waits {
            self.by_wait.entry(*wait).or_default().insert(key);
        }
        let bytes = bytes_of(&item);
        self.bytes += bytes;
        self.by_age.insert((is_founder, now_ms, key));
        self.items.insert(key, Waiting { item, waits, since_ms: now_ms, bytes });
        while self.bytes > BYTES_MAX {
            let Some((_, _, oldest)) = self.by_age.first().copied() else { break };
            self.take(&oldest);
        }
        true
    }

    fn take(&mut self, key: &[u8; 32]) -> Option<Item> {
        let waiting = self.items.remove(key)?;
        for wait in &waiting.waits {
            if let Some(keys) = self.by_wait.get_mut(wait) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_wait.remove(wait);
                }
            }
        }
        let account = waiting.item.account();
        if let Some(count) = self.by_account.get_mut(&account) {
            *count -= 1;
            if *count == 0 {
                self.by_account.remove(&account);
            }
        }
        for is_founder in [false, true] {
            self.by_age.remove(&(is_founder, waiting.since_ms, *key));
        }
        self.bytes -= waiting.bytes;
        Some(waiting.item)
    }

    /// Takes out the items that wait for something that is there now.
    pub(crate) fn wake(&mut self, name: &Name) -> Vec<Item> {
        let keys = self.by_wait.get(&Wait::Name(*name)).cloned().unwrap_or_default();
        keys.iter().filter_map(|key| self.take(key)).collect()
    }

    /// Takes out the items that were ahead of the clock and are so no more.
    pub(crate) fn wake_upto(&mut self, epoch: u64) -> Vec<Item> {
        let due = self.by_wait.range(Wait::Epoch(0)..=Wait::Epoch(epoch));
        let keys: Vec<[u8; 32]> = due.flat_map(|(_, keys)| keys).copied().collect();
        keys.iter().filter_map(|key| self.take(key)).collect()
    }

    /// Whether something that waits, waits for this.
    pub(crate) fn is_awaited(&self, name: &Name) -> bool {
        self.by_wait.contains_key(&Wait::Name(*name))
    }

    /// Everything that is waited for, in order.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = Name> {
        self.by_wait.keys().filter_map(|wait| match wait {
            Wait::Name(name) => Some(*name),
            Wait::Epoch(_) => None,
        })
    }

    /// Drops what has waited too long.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        let is_old = |since_ms: u64| now_ms.saturating_sub(since_ms) > WAIT_MS_MAX;
        let old: Vec<_> = self.by_age.iter().filter(|(_, since_ms, _)| is_old(*since_ms)).copied().collect();
        for (_, _, key) in old {
            self.take(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use proto::ids::{NumericClass, ReceiptId, SwarmId, TrackId};
    use proto::sign::account_of;

    use super::*;
    use crate::body::{Body, Claim};
    use crate::receipt::{Balances, Draft};

    /// A receipt of about 1.4 KB that nothing known comes before.
    fn item(account: u16, seq: u64) -> Item {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&account.to_le_bytes());
        let key = SigningKey::from_bytes(&seed);
        let body = Body::Claim(Claim {
            track: TrackId::new([1; 32]),
            recipe: vec![1; 1024],
            nonce: 0,
            gas: 0,
            metric_microbits: 0,
            trace_root: [0; 32],
            segments: 1,
            numeric_class: NumericClass::new([1; 32]),
        });
        let draft = Draft {
            swarm: SwarmId::new([1; 32]),
            account: account_of(&key),
            seq,
            prev: Some(ReceiptId::new([2; 32])),
            epoch: 0,
            after: Balances::default(),
            body,
        };
        draft.sign(&key).into()
    }

    #[test]
    fn waiting_bytes_are_bounded_and_the_oldest_strangers_go_first() {
        let mut pool = Pool::default();
        let wait = |item: &Item| vec![Wait::Name(Name::Chain(item.account()))];
        let founder = item(0, 2);
        assert!(pool.put(founder.clone(), wait(&founder), true, 0));
        let mut all = Vec::new();
        for account in 1..400_u16 {
            for seq in 2..34 {
                let item = item(account, seq);
                assert!(pool.put(item.clone(), wait(&item), false, u64::from(account)));
                all.push(item);
            }
        }
        assert!(pool.bytes <= BYTES_MAX);
        let kept = all.iter().filter(|item| pool.items.contains_key(&item.key())).count();
        assert_eq!(kept, pool.len() - 1);
        assert!((9_000..11_000).contains(&kept), "{kept}");
        assert!(all[all.len() - kept + 32..].iter().all(|item| pool.items.contains_key(&item.key())));
        assert!(pool.items.contains_key(&founder.key()));
        // Whatever leaves, leaves every index.
        pool.expire(u64::MAX);
        assert_eq!((pool.len(), pool.bytes), (0, 0));
        assert!(pool.by_wait.is_empty() && pool.by_account.is_empty() && pool.by_age.is_empty());
    }
}
