//! Carrying out what the node wants, in order.

use std::collections::VecDeque;

use prost::Message;
use proto::ids::BlobHash;

use super::{Runtime, Stalled};
use crate::net::{self, NetCommand, Verdict};
use crate::node::effect::{Effect, GossipVerdict, Note};
use crate::node::input::{Input, WorkerReport};
use crate::node::message::to_bundle;
use crate::node::{encode_item, input};
use crate::store::StoreError;

/// An effect that the disk refused.
struct Refused {
    effect: Effect,
    error: StoreError,
}

impl Runtime {
    /// Carries effects out until the disk refuses; then they wait for it.
    pub(super) fn carry_out(&mut self, effects: VecDeque<Effect>) {
        if let Some(stalled) = &mut self.stalled {
            stalled.effects.extend(effects);
            return;
        }
        let mut effects = effects;
        while let Some(effect) = effects.pop_front() {
            if let Err(refused) = self.effect(effect) {
                let Refused { effect, error } = *refused;
                tracing::error!(%error, hint = error.hint(), "the disk refuses to write");
                let reason = error.to_string().into();
                // A damaged journal does not get better by waiting: the node reads on and
                // signs no more, and what hangs on the refused record is not done.
                if error.is_fault() {
                    effects.push_front(effect);
                    self.stalled = Some(Stalled { effects });
                }
                let more = self.node.handle(Input::Disk(Err(reason)), super::now_ms());
                self.carry_out(more.into());
                return;
            }
        }
    }

    /// While the disk refuses, tries whether it works again.
    pub(super) fn retry_disk(&mut self) {
        if self.stalled.is_none() || self.store.retry().is_err() {
            return;
        }
        tracing::info!("the disk works again");
        if let Some(stalled) = self.stalled.take() {
            self.carry_out(stalled.effects);
        }
        if self.stalled.is_none() && self.may_sign {
            self.input(Input::Disk(Ok(())));
        }
    }

    fn effect(&mut self, effect: Effect) -> Result<(), Box<Refused>> {
        match effect {
            Effect::Journal { kind, ref bytes } => {
                let done = tokio::task::block_in_place(|| self.store.journal(kind.number(), bytes));
                return done.map_err(|error| Box::new(Refused { effect, error }));
            }
            Effect::Persist(ref items) => {
                let records: Vec<Vec<u8>> = items.iter().map(encode_item).collect();
                let store = &mut self.store;
                let done = tokio::task::block_in_place(|| {
                    store.append_items(&records).and_then(|()| store.commit())
                });
                return done.map_err(|error| Box::new(Refused { effect, error }));
            }
            Effect::Verdict { token, verdict } => {
                let verdict = match verdict {
                    GossipVerdict::Accept => Verdict::Accept,
                    GossipVerdict::Ignore => Verdict::Ignore,
                };
                let message = net::GossipToken::new(token.0);
                self.command(NetCommand::Verdict { message, verdict });
            }
            Effect::Gossip(items) => {
                self.command(NetCommand::Gossip(to_bundle(&items).encode_to_vec()));
            }
            Effect::Ask { to, token, ask } => {
                let request = ask.to_wire(&self.signer.signing);
                self.command(NetCommand::Request { to, token: token.0, request });
            }
            Effect::Answer { token, answer } => {
                let token = net::ReplyToken::new(token.0);
                let response = answer.to_wire(&self.signer.signing);
                self.command(NetCommand::Respond { token, response });
            }
            Effect::Work { order, needs } => self.work(order, &needs),
            Effect::StopWorker => self.worker.kill(),
            Effect::Keep { file, hash } => self.keep(&file, hash),
            Effect::Fetch { hash, from } => self.fetch(hash, from),
            Effect::Forget(hash) => {
                if let Err(error) = self.blobs.store().remove(&hash) {
                    tracing::warn!(%hash, %error, "blob not removed");
                }
            }
            Effect::Reply { token: input::LocalToken(_), outcome: _ } => {}
            Effect::Note(note) => log(&note),
        }
        Ok(())
    }

    /// Gives the worker an order, with the states it reads put into its folder.
    fn work(&mut self, order: proto::wire::worker::Order, needs: &[BlobHash]) {
        let emptied = self.worker.empty();
        let place = |hash| self.worker.place(self.blobs.store(), hash);
        let placed = emptied.and_then(|()| needs.iter().try_for_each(place));
        if let Err(error) = placed.and_then(|()| self.worker.order(order)) {
            self.input(Input::Worker(WorkerReport::Failed(error.to_string())));
        }
    }

    /// Moves a state of the worker into the blob store; a wrong hash is its failure.
    fn keep(&mut self, file: &str, hash: BlobHash) {
        let kept = tokio::task::block_in_place(|| self.worker.take(self.blobs.store(), file, &hash));
        if let Err(error) = kept {
            tracing::warn!(%error, "a state of the worker is not kept");
            self.worker.kill();
        }
    }
}

fn log(note: &Note) {
    match note {
        Note::SigningOpen => tracing::info!("signing"),
        Note::TrialStarted { recipe, segment } => {
            tracing::info!(recipe = %recipe.short(), segment, "trial started");
        }
        Note::TrialProgress { step, steps, loss_microbits } => {
            tracing::debug!(step, steps, loss_microbits, "trial runs");
        }
        Note::TrialDropped { reason } => tracing::info!(reason, "trial dropped"),
        Note::Claimed { claim, metric_microbits } => {
            tracing::info!(claim = %claim.short(), metric_microbits, "trial claimed");
        }
        Note::Drawn { claim } => tracing::debug!(claim = %claim.short(), "checkers drawn"),
        Note::CheckStarted { claim, segment } => {
            tracing::info!(claim = %claim.short(), segment, "check started");
        }
        Note::Attested { claim, segment } => {
            tracing::info!(claim = %claim.short(), segment, "claim attested");
        }
        Note::Refuted { claim, by } => {
            tracing::warn!(claim = %claim.short(), by = %by.short(), "own claim refuted");
        }
        Note::Minted { mint, amount } => {
            tracing::info!(mint = %mint.short(), amount_ucr = amount.get(), "credit minted");
        }
        Note::Vested { amount } => tracing::info!(amount_ucr = amount.get(), "credit vested"),
        Note::Fork { account } => tracing::warn!(account = %account.short(), "account forked"),
    }
}
