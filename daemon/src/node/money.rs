//! What makes earned credit real: anchors over the own chain, fees, vesting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use credits::{Anchor, Body, ClaimVerdict, FeeMint, Item, Mint, Ucr, Vest, VestEntry, Voucher};
use proto::ids::{AnchorId, ReceiptId};
use proto::limits::VEST_ENTRIES_MAX;

use super::effect::{Effect, Note};
use super::message::Ask;
use super::peers::Purpose;
use super::{Node, Signing};

/// When to look again, and the vouchers in hand.
#[derive(Debug, Default)]
pub(super) struct Money {
    next_look_ms: u64,
    vouchers: BTreeMap<ReceiptId, Voucher>,
    /// Holds of others that name this account as payee and that it has not settled.
    payable: BTreeSet<ReceiptId>,
}

impl Money {
    /// Keeps a voucher if it is the highest of its hold; whether it was.
    pub(super) fn keep_voucher(&mut self, voucher: Voucher) -> bool {
        let known = self.vouchers.get(&voucher.hold);
        let is_higher = known.is_none_or(|known| known.cumulative < voucher.cumulative);
        if is_higher {
            self.vouchers.insert(voucher.hold, voucher);
        }
        is_higher
    }

    pub(super) fn voucher(&self, hold: &ReceiptId) -> Option<&Voucher> {
        self.vouchers.get(hold)
    }

    pub(super) fn payable(&self) -> impl Iterator<Item = ReceiptId> {
        self.payable.iter().copied()
    }

    pub(super) fn expect_payment(&mut self, hold: ReceiptId) {
        self.payable.insert(hold);
    }

    /// The hold is settled, or can be no more.
    pub(super) fn forget_hold(&mut self, hold: &ReceiptId) {
        self.vouchers.remove(hold);
        self.payable.remove(hold);
    }
}

impl Node {
    pub(super) fn money_tick(&mut self) {
        if self.now_ms < self.money.next_look_ms {
            return;
        }
        self.money.next_look_ms = self.now_ms + self.retry_ms();
        self.claims_tick();
        self.holds_tick();
        self.fees_tick();
        self.vest_tick();
        self.anchors_tick();
    }

    /// Mints the fees of own attestations whose claims' windows ended.
    fn fees_tick(&mut self) {
        if self.signing() != Signing::Open {
            return;
        }
        for fee in self.fees_due() {
            // What is refused now is tried at the next look.
            let _ = self.sign(Body::Mint(Mint::Fee(fee)));
        }
    }

    /// Fees of own attestations that were not minted yet and whose claims' windows ended.
    fn fees_due(&self) -> Vec<FeeMint> {
        let epoch = self.epoch();
        let mut open = BTreeMap::new();
        for receipt in self.ledger.chain(&self.keys.account) {
            match &receipt.body {
                Body::Attest(attest) => _ = open.insert(receipt.id, attest.claim),
                Body::Mint(Mint::Fee(fee)) => _ = open.remove(&fee.attest),
                Body::Mint(Mint::Trial(_))
                | Body::Genesis(_)
                | Body::Claim(_)
                | Body::Vest(_)
                | Body::Hold(_)
                | Body::Settle(_)
                | Body::Release(_) => {}
            }
        }
        let due = |(attest, claim): (ReceiptId, ReceiptId)| match self.ledger.verdict_of(&claim) {
            ClaimVerdict::Minted { mint, stands: true, window: Some(window), .. } => {
                (epoch >= window.ends).then_some(FeeMint { attest, mint })
            }
            ClaimVerdict::Minted { .. }
            | ClaimVerdict::Unknown
            | ClaimVerdict::Open { .. }
            | ClaimVerdict::Refuted { .. }
            | ClaimVerdict::Closed => None,
        };
        open.into_iter().filter_map(due).collect()
    }

    fn vest_tick(&mut self) {
        if self.signing() != Signing::Open {
            return;
        }
        let account = self.keys.account;
        let due = self.ledger.vestable(&account, self.epoch());
        if due.is_empty() {
            return;
        }
        let entry = |(receipt, anchor): (ReceiptId, AnchorId)| VestEntry { receipt, anchor };
        let entries = due.into_iter().take(VEST_ENTRIES_MAX).map(entry).collect();
        let before = self.ledger.declared(&account).spendable;
        if self.sign(Body::Vest(Vest { entries })).is_ok() {
            let after = self.ledger.declared(&account).spendable;
            self.note(Note::Vested { amount: after.checked_sub(before).unwrap_or(Ucr::ZERO) });
        }
    }

    /// Asks the founders for anchors while the own head is not final, or while there
    /// are entries that they may freeze and have not.
    fn anchors_tick(&mut self) {
        let account = self.keys.account;
        let Some(head) = self.ledger.head(&account) else { return };
        let founders = self.serving_founders();
        let epoch = self.epoch();
        let head_is_final = self.ledger.is_final(&head.id);
        let anchors = self.ledger.anchors_over(&account);
        for founder in founders {
            let own_anchors = || anchors.iter().filter(|anchor| anchor.founder == founder);
            let is_over_head = own_anchors().any(|anchor| anchor.seq >= head.seq);
            let has_to_list = !self.ledger.listable(&account, &founder, epoch).is_empty();
            if (head_is_final || is_over_head) && !has_to_list {
                continue;
            }
            if founder == account {
                self.anchor_self(head.seq, head.id);
            } else if self.peers.is_connected(&founder) {
                let Some(receipt) = self.ledger.receipt(&head.id).cloned() else { continue };
                let items = self.ledger.with_names(&Item::Receipt(receipt));
                self.ask(founder, Purpose::Anchor, Ask::Anchor { seq: head.seq, id: head.id, items });
            }
        }
    }

    fn anchor_self(&mut self, seq: u64, id: ReceiptId) {
        let account = self.keys.account;
        if let super::message::Answer::Anchor(anchor) = self.anchor_asked(account, seq, id, Vec::new()) {
            self.anchor_came(anchor);
        }
    }

    /// A founder anchored the own chain: everybody shall know.
    pub(super) fn anchor_came(&mut self, anchor: Arc<Anchor>) {
        let item = Item::Anchor(anchor);
        let is_new = self.ingest(vec![item.clone()]);
        if is_new || item.account() == self.keys.account {
            self.effects.push(Effect::Gossip(vec![item]));
        }
    }
}
