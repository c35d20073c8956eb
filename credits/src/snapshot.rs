//! One hash of the set and of everything it means: equal sets, equal digests.

use crate::amount::Ucr;
use crate::cover::{Amounts, Counted};
use crate::ledger::Ledger;
use crate::set::Chain;

impl Ledger {
    /// Digest of the set (ids of all receipts, draws, anchors and kept fork proofs)
    /// and of the functions of it: of each account valid prefix, fork, finality and
    /// what is frozen; of each amount what counts, by cover and final cover.
    ///
    /// Pending items are outside. The order in which items came is not in it.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("swarm ledger digest v1");
        hasher.update(self.charter.id.as_bytes());
        for (account, chain) in &self.set.chains {
            hasher.update(account.as_bytes());
            self.digest_chain(&mut hasher, chain);
        }
        for entry in self.set.entries() {
            hasher.update(entry.receipt.id.as_bytes());
        }
        for id in self.set.draws.keys() {
            hasher.update(id.as_bytes());
        }
        for id in self.set.anchors.keys() {
            hasher.update(id.as_bytes());
        }
        let cover = self.cover();
        digest_amounts(&mut hasher, &cover.valid);
        digest_amounts(&mut hasher, &cover.fin);
        *hasher.finalize().as_bytes()
    }

    fn digest_chain(&self, hasher: &mut blake3::Hasher, chain: &Chain) {
        hasher.update(&(chain.valid.len() as u64).to_le_bytes());
        hasher.update(chain.valid.last().map_or(&[0; 32], |last| last.id.as_bytes()));
        hasher.update(&chain.fork.as_ref().map_or([0; 32], |fork| fork.key()));
        hasher.update(&chain.final_seq.to_le_bytes());
        for receipt in &chain.valid {
            hasher.update(&[u8::from(self.is_frozen(&receipt.id))]);
        }
    }
}

fn digest_amounts(hasher: &mut blake3::Hasher, amounts: &Amounts) {
    let parts = |counted: &Counted| [counted.spendable, counted.held, counted.vesting];
    let all = amounts.counted.values().copied().chain(amounts.balances.values().flat_map(parts));
    for amount in all.map(Ucr::get) {
        hasher.update(&amount.to_le_bytes());
    }
}
