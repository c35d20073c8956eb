//! What a founder gives: randomness for claims and finality for chains.
//!
//! A share or an anchor is journalled before it leaves, so that a founder never
//! contradicts itself, whatever happens to the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use credits::{Anchor, Body, DrawShare, Item};
use prost::Message;
use proto::ids::{AccountId, ReceiptId};
use proto::wire::journal::ShareRecord;
use proto::wire::receipt as wire;
use proto::wire::sync::refused::Reason;

use super::Node;
use super::effect::JournalKind;
use super::memory::encode_item;
use super::message::Answer;

/// A share is signed only for a claim this fresh, in epochs: one that was prepared
/// and shown later than it says would have been drawn by people it has seen.
const CLAIM_AGE_EPOCHS_MAX: u64 = 2;

/// What this founder has signed.
#[derive(Debug, Default)]
pub(super) struct Founder {
    shares: BTreeMap<ReceiptId, wire::DrawShare>,
    anchors: BTreeMap<AccountId, Arc<Anchor>>,
}

impl Founder {
    pub(super) fn recall_share(&mut self, claim: ReceiptId, share: wire::DrawShare) {
        self.shares.insert(claim, share);
    }

    pub(super) fn recall_anchor(&mut self, anchor: Arc<Anchor>) {
        self.anchors.insert(anchor.account, anchor);
    }
}

impl Node {
    pub(super) fn share_asked(&mut self, claim: ReceiptId, items: Vec<Item>) -> Answer {
        self.ingest(items);
        if !self.may_serve() {
            return Answer::Refused(Reason::NotNow);
        }
        if let Some(share) = self.founder.shares.get(&claim) {
            return Answer::Share(share.clone());
        }
        let Some(receipt) = self.ledger.receipt(&claim).cloned() else {
            return Answer::Refused(Reason::Unknown);
        };
        let in_chain = self.ledger.chain(&receipt.account).iter().any(|own| own.id == claim);
        let is_claim = matches!(receipt.body, Body::Claim(_));
        if !in_chain || !is_claim || !self.charter.serves(&self.keys.account, &receipt.account) {
            return Answer::Refused(Reason::NotAllowed);
        }
        let epoch = self.epoch();
        if epoch.abs_diff(receipt.epoch) > CLAIM_AGE_EPOCHS_MAX {
            return Answer::Refused(Reason::NotNow);
        }
        let nonce = *blake3::hash(&[&self.settings.choices[..], claim.as_bytes()].concat()).as_bytes();
        let share = DrawShare::make(
            &self.charter,
            &claim,
            epoch.max(receipt.epoch),
            &self.keys.signing,
            &self.keys.vrf,
            nonce,
        )
        .to_wire();
        let record = ShareRecord { claim: claim.to_vec(), share: Some(share.clone()) };
        self.journal(JournalKind::Share, record.encode_to_vec());
        self.founder.shares.insert(claim, share.clone());
        Answer::Share(share)
    }

    pub(super) fn anchor_asked(
        &mut self,
        from: AccountId,
        seq: u64,
        id: ReceiptId,
        items: Vec<Item>,
    ) -> Answer {
        self.ingest(items);
        if !self.may_serve() {
            return Answer::Refused(Reason::NotNow);
        }
        if !self.charter.serves(&self.keys.account, &from) || self.ledger.is_forked(&from) {
            return Answer::Refused(Reason::NotAllowed);
        }
        let chain = self.ledger.chain(&from);
        let Some(receipt) = chain.iter().find(|receipt| receipt.id == id && receipt.seq == seq).cloned()
        else {
            return Answer::Refused(Reason::Unknown);
        };
        let last = self.founder.anchors.get(&from).cloned();
        if last.as_ref().is_some_and(|last| last.seq > seq) {
            return Answer::Refused(Reason::NotAllowed);
        }
        let extends = last.as_ref().is_none_or(|last| chain.iter().any(|own| own.id == last.receipt));
        if !extends {
            return Answer::Refused(Reason::NotAllowed);
        }
        let epoch = self.epoch().max(receipt.epoch);
        let mut listed = self.ledger.listable(&from, &self.keys.account, epoch);
        listed.truncate(proto::limits::ANCHOR_LISTED_MAX);
        if let Some(last) = last.filter(|last| last.seq == seq && listed.is_empty()) {
            return Answer::Anchor(last);
        }
        let anchor = Anchor::sign(&self.charter, (from, seq, id), epoch, listed, &self.keys.signing);
        let anchor = Arc::new(anchor);
        self.journal(JournalKind::Anchor, encode_item(&Item::Anchor(Arc::clone(&anchor))));
        self.founder.anchors.insert(from, Arc::clone(&anchor));
        self.ingest(vec![Item::Anchor(Arc::clone(&anchor))]);
        Answer::Anchor(anchor)
    }
}
