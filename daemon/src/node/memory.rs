//! What a node remembers across a crash: its journal records and how they are read.

use std::sync::Arc;

use credits::{Body, Item, Receipt, Voucher};
use prost::Message;
use proto::ids::ReceiptId;
use proto::wire::journal::trial_record::Step;
use proto::wire::journal::{ShareRecord, TrialDropped, TrialRecord};
use proto::wire::receipt as wire;

use super::effect::{Effect, JournalKind};
use super::{Kept, Node};

/// A time ahead of every epoch: what the disk kept is not held back for the clock.
const END_OF_TIME_MS: u64 = u64::MAX >> 1;

/// One item as a journal record or log record.
pub fn encode_item(item: &Item) -> Vec<u8> {
    item.to_wire().encode_to_vec()
}

impl Node {
    /// Rebuilds the state from what the disk kept.
    pub(super) fn restore(&mut self, kept: Kept) {
        for item in kept.items {
            self.ledger.apply(item, END_OF_TIME_MS);
        }
        let mut only_journalled = Vec::new();
        for (kind, bytes) in kept.journal {
            // A record that does not decode is another version's; see `Node::new`.
            only_journalled.extend(self.recall(kind, &bytes).unwrap_or_default());
        }
        if !only_journalled.is_empty() {
            // The crash came between journal and log: what is signed later names these.
            self.effects.push(Effect::Persist(only_journalled));
        }
        let own: Vec<_> = self.ledger.chain(&self.keys.account).to_vec();
        own.iter().for_each(|receipt| self.recall_own(receipt));
        self.recall_holds();
        self.recall_duties();
    }

    /// Takes one record in; the items that the log did not have.
    fn recall(&mut self, kind: JournalKind, bytes: &[u8]) -> Option<Vec<Item>> {
        match kind {
            JournalKind::Receipt => {
                let item = self.recalled_item(bytes)?;
                if let Item::Receipt(receipt) = &item {
                    self.chain.journalled(receipt.seq);
                }
                return Some(self.ledger.apply(item, END_OF_TIME_MS).applied);
            }
            JournalKind::Anchor => {
                let item = self.recalled_item(bytes)?;
                if let Item::Anchor(anchor) = &item {
                    self.founder.recall_anchor(Arc::clone(anchor));
                }
                return Some(self.ledger.apply(item, END_OF_TIME_MS).applied);
            }
            JournalKind::Share => {
                let record = ShareRecord::decode(bytes).ok()?;
                let claim = ReceiptId::try_from(&record.claim[..]).ok()?;
                self.founder.recall_share(claim, record.share?);
            }
            JournalKind::Trial => self.recall_trial(TrialRecord::decode(bytes).ok()?)?,
            JournalKind::Voucher => {
                let wire = wire::Voucher::decode(bytes).ok()?;
                self.money.keep_voucher(Voucher::from_wire(&wire).ok()?);
            }
        }
        Some(Vec::new())
    }

    fn recalled_item(&self, bytes: &[u8]) -> Option<Item> {
        Item::check(&wire::Item::decode(bytes).ok()?, &self.charter).ok()
    }

    fn recall_trial(&mut self, record: TrialRecord) -> Option<()> {
        match record.step? {
            Step::Started(started) => self.earn.recall_started(record.nonce, &started, &self.charter),
            Step::State(state) => self.earn.recall_state(record.nonce, &state),
            Step::Block(block) => self.earn.recall_block(record.nonce, &block),
            Step::Claimed(claim) => {
                let claim = ReceiptId::try_from(&claim[..]).ok()?;
                let trace = self.earn.take_finished(record.nonce)?;
                self.claims.keep(claim, record.nonce, trace);
                Some(())
            }
            Step::Dropped(TrialDropped { reason: _ }) => {
                self.earn.forget(record.nonce);
                self.claims.forget_nonce(record.nonce);
                Some(())
            }
        }
    }

    fn recall_own(&mut self, receipt: &Receipt) {
        match &receipt.body {
            Body::Attest(attest) => self.checks.answered(attest.claim),
            Body::Mint(mint) => self.claims.minted(mint),
            // A crash between the claim and its trial record would claim twice.
            Body::Claim(claim) => {
                if let Some(trace) = self.earn.take_finished(claim.nonce) {
                    let step = Step::Claimed(receipt.id.to_vec());
                    self.journal(JournalKind::Trial, trial_record(claim.nonce, step));
                    self.claims.keep(receipt.id, claim.nonce, trace);
                }
            }
            Body::Genesis(_) | Body::Vest(_) | Body::Hold(_) | Body::Settle(_) | Body::Release(_) => {}
        }
    }
}

/// One step of an own trial as a journal record.
pub(super) fn trial_record(nonce: u64, step: Step) -> Vec<u8> {
    TrialRecord { nonce, step: Some(step) }.encode_to_vec()
}
