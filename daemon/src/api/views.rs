//! Answers that the ledger alone knows: pure functions of it.
//!
//! Here: naming, balances, histories. `explain` says why a receipt changed what it
//! changed, `evidence` what anybody can check about it, `fields` what its body says,
//! `frontier` what the search found. What only the running node knows (peers, what
//! the worker does, the log on disk) is not here.

mod evidence;
mod explain;
mod fields;
mod frontier;
mod swarm;

use std::collections::BTreeSet;
use std::sync::Arc;

use credits::{Balances, Body, ClaimVerdict, Counted, Ledger, Mint, Receipt, Ucr};
use jobs::terms::Tracks;
use proto::api::{
    Amounts, ApiAnswer, ApiError, ApiRequest, Balance, Changes, ClaimState, EXPORT_ROWS_MAX, ErrorKind,
    Export, FIGURE_PARTS_MAX, Figure, Figures, History, HistoryRow, IdPrefix, Part, ReceiptKind, ReceiptName,
    Trials, UnmintedClaim,
};
use proto::ids::{AccountId, ReceiptId};

/// The ledger as one node sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The set and its functions.
    pub ledger: &'a Ledger,
    /// The node's own account: `last`, and whoever is not named otherwise.
    pub account: AccountId,
    /// The tracks the program knows.
    pub tracks: &'a Tracks,
}

impl View<'_> {
    /// Answers what the ledger alone knows; `None` for what only the node knows:
    /// status, verification, peers and the swarm.
    pub fn answer(&self, request: &ApiRequest) -> Option<Result<ApiAnswer, ApiError>> {
        Some(match request {
            ApiRequest::Balance { account } => self
                .named_account(account.as_ref())
                .map(|account| ApiAnswer::Balance(Box::new(self.balance(&account)))),
            ApiRequest::History { account, kind, limit } => self
                .named_account(account.as_ref())
                .map(|account| ApiAnswer::History(self.history(&account, *kind, *limit))),
            ApiRequest::Export { account, from_seq } => self
                .named_account(account.as_ref())
                .map(|account| ApiAnswer::Export(self.export(&account, *from_seq))),
            ApiRequest::Explain { receipt } => {
                self.named_receipt(receipt).map(|receipt| ApiAnswer::Explain(Box::new(self.explain(receipt))))
            }
            ApiRequest::Receipt { receipt } => {
                self.named_receipt(receipt).map(|receipt| ApiAnswer::Receipt(Box::new(fields::view(receipt))))
            }
            ApiRequest::Frontier => Ok(ApiAnswer::Frontier(self.frontier())),
            ApiRequest::Status | ApiRequest::Verify | ApiRequest::Peers | ApiRequest::Swarm => return None,
        })
    }

    /// The account of a name; the node's own when none is given.
    fn named_account(&self, name: Option<&IdPrefix>) -> Result<AccountId, ApiError> {
        let Some(prefix) = name else { return Ok(self.account) };
        let known: BTreeSet<AccountId> = self.ledger.accounts().chain([self.account]).collect();
        let mut found = known.into_iter().filter(|account| prefix.is_start_of(account.as_bytes()));
        match (found.next(), found.next()) {
            (Some(account), None) => Ok(account),
            (Some(_), Some(_)) => Err(ambiguous("accounts", prefix)),
            (None, _) => Err(ApiError::new(
                ErrorKind::NotFound,
                format!("no account known here starts with {prefix}"),
            )
            .with_hint(
                "it may not have earned anything yet, or be in another swarm: see `swarmctl swarm show`",
            )),
        }
    }

    /// The receipt of a name: the last of the own chain, or by the start of its id
    /// among all receipts known here.
    fn named_receipt(&self, name: &ReceiptName) -> Result<&Arc<Receipt>, ApiError> {
        let prefix = match name {
            ReceiptName::Last => {
                let message = "this node has signed no receipt yet";
                return self.ledger.chain(&self.account).last().ok_or_else(|| {
                    ApiError::new(ErrorKind::NotFound, message)
                        .with_hint("its first comes with its first trial or check")
                });
            }
            ReceiptName::Id(prefix) => prefix,
        };
        // One in full may also lie beyond the valid part of a chain.
        let in_full = prefix.to_string().parse().ok().and_then(|id: ReceiptId| self.ledger.receipt(&id));
        if let Some(receipt) = in_full {
            return Ok(receipt);
        }
        let accounts: Vec<AccountId> = self.ledger.accounts().collect();
        let all = accounts.iter().flat_map(|account| self.ledger.chain(account));
        let mut found = all.filter(|receipt| prefix.is_start_of(receipt.id.as_bytes()));
        match (found.next(), found.next()) {
            (Some(receipt), None) => Ok(receipt),
            (Some(_), Some(_)) => Err(ambiguous("receipts", prefix)),
            (None, _) => {
                Err(ApiError::new(ErrorKind::NotFound, format!("no receipt known here starts with {prefix}"))
                    .with_hint("`swarmctl ledger history` lists this node's own"))
            }
        }
    }

    /// The node's own counted balance, for its status.
    pub fn amounts(&self) -> Amounts {
        counted(&self.ledger.balance(&self.account).counted)
    }

    /// The node's own trials, for its status.
    pub fn trials(&self) -> Trials {
        let mut trials = Trials { claimed: 0, minted: 0, refuted: 0 };
        for receipt in self.claims_of(&self.account) {
            trials.claimed += 1;
            match self.ledger.verdict_of(&receipt.id) {
                ClaimVerdict::Minted { .. } => trials.minted += 1,
                ClaimVerdict::Refuted { .. } => trials.refuted += 1,
                ClaimVerdict::Unknown | ClaimVerdict::Open { .. } | ClaimVerdict::Closed => {}
            }
        }
        trials
    }

    /// What an account has, with the receipts behind each figure.
    pub fn balance(&self, account: &AccountId) -> Balance {
        let view = self.ledger.balance(account);
        let chain = self.ledger.chain(account);
        let vested: BTreeSet<ReceiptId> = chain.iter().flat_map(|receipt| vested_by(&receipt.body)).collect();
        let released: BTreeSet<ReceiptId> =
            chain.iter().filter_map(|receipt| released_by(&receipt.body)).collect();
        let figure = |amount: Ucr, change: fn(&Changes) -> i64, is_part: &dyn Fn(&Receipt) -> bool| {
            let parts = chain.iter().rev().filter(|receipt| is_part(receipt)).filter_map(|receipt| {
                let change_ucr = change(&self.changes(receipt));
                (change_ucr != 0).then_some(Part {
                    receipt: receipt.id,
                    kind: kind_of(&receipt.body),
                    change_ucr,
                })
            });
            let parts: Vec<Part> = parts.collect();
            Figure {
                amount_ucr: amount.get(),
                receipts_left_out: parts.len().saturating_sub(FIGURE_PARTS_MAX) as u64,
                receipts: parts.into_iter().take(FIGURE_PARTS_MAX).collect(),
            }
        };
        let counted_now = view.counted;
        Balance {
            account: *account,
            counted: Figures {
                spendable: figure(counted_now.spendable, |change| change.spendable_ucr, &|_| true),
                held: figure(counted_now.held, |change| change.held_ucr, &|receipt| {
                    !released.contains(&receipt.id) && released_by(&receipt.body).is_none()
                }),
                vesting: figure(counted_now.vesting, |change| change.vesting_ucr, &|receipt| {
                    !vested.contains(&receipt.id) && !matches!(receipt.body, Body::Vest(_))
                }),
            },
            settled: counted(&view.fin),
            uncovered_ucr: view.uncovered.get(),
            claims: self.unminted(account),
            is_forked: self.ledger.is_forked(account),
        }
    }

    fn claims_of(&self, account: &AccountId) -> impl Iterator<Item = &Arc<Receipt>> {
        self.ledger.chain(account).iter().filter(|receipt| matches!(receipt.body, Body::Claim(_)))
    }

    fn unminted(&self, account: &AccountId) -> Vec<UnmintedClaim> {
        let claims: Vec<&Arc<Receipt>> = self.claims_of(account).collect();
        let unminted = claims.into_iter().rev().filter_map(|receipt| {
            let state = match self.ledger.verdict_of(&receipt.id) {
                ClaimVerdict::Open { .. } => ClaimState::Open,
                ClaimVerdict::Refuted { .. } => ClaimState::Refuted,
                ClaimVerdict::Closed => ClaimState::Closed,
                ClaimVerdict::Unknown | ClaimVerdict::Minted { .. } => return None,
            };
            let worth = self.ledger.terms_of(&receipt.id).map_or(Ucr::ZERO, |terms| terms.worth);
            Some(UnmintedClaim { claim: receipt.id, epoch: receipt.epoch, worth_ucr: worth.get(), state })
        });
        unminted.take(FIGURE_PARTS_MAX).collect()
    }

    /// The newest receipts of an account, oldest of them first.
    pub fn history(&self, account: &AccountId, kind: Option<ReceiptKind>, limit: u32) -> History {
        let is_asked = |receipt: &&Arc<Receipt>| kind.is_none_or(|kind| kind_of(&receipt.body) == kind);
        let all: Vec<&Arc<Receipt>> = self.ledger.chain(account).iter().filter(is_asked).collect();
        let left_out = all.len().saturating_sub(limit as usize);
        let rows = all[left_out..].iter().map(|receipt| self.row(receipt)).collect();
        History { account: *account, rows, rows_left_out: left_out as u64 }
    }

    /// A page of all receipts of an account, from a position on.
    pub fn export(&self, account: &AccountId, from_seq: u64) -> Export {
        let chain = self.ledger.chain(account);
        let start = chain.partition_point(|receipt| receipt.seq < from_seq);
        let page = &chain[start..chain.len().min(start + EXPORT_ROWS_MAX as usize)];
        let next_seq = chain.get(start + page.len()).map(|receipt| receipt.seq);
        Export { account: *account, rows: page.iter().map(|receipt| self.row(receipt)).collect(), next_seq }
    }

    fn row(&self, receipt: &Receipt) -> HistoryRow {
        HistoryRow {
            seq: receipt.seq,
            receipt: receipt.id,
            kind: kind_of(&receipt.body),
            epoch: receipt.epoch,
            change: self.changes(receipt),
            after: declared(&receipt.after),
            counterparty: self.counterparty(&receipt.body),
            is_final: self.ledger.is_final(&receipt.id),
        }
    }

    /// Balances before a receipt.
    fn before(&self, receipt: &Receipt) -> Balances {
        let prev = receipt.prev.and_then(|prev| self.ledger.receipt(&prev));
        prev.map_or(Balances::default(), |prev| prev.after)
    }

    fn changes(&self, receipt: &Receipt) -> Changes {
        let (before, after) = (self.before(receipt), receipt.after);
        Changes {
            spendable_ucr: difference(after.spendable, before.spendable),
            held_ucr: difference(after.held, before.held),
            vesting_ucr: difference(after.vesting, before.vesting),
        }
    }

    /// The other account that a receipt concerns.
    fn counterparty(&self, body: &Body) -> Option<AccountId> {
        let owner = |id: &ReceiptId| self.ledger.receipt(id).map(|receipt| receipt.account);
        match body {
            Body::Attest(attest) => owner(&attest.claim),
            Body::Mint(Mint::Fee(fee)) => owner(&fee.mint),
            Body::Hold(hold) => Some(hold.payee),
            Body::Settle(settle) => owner(&settle.hold),
            Body::Release(release) => {
                let hold = self.ledger.receipt(&release.hold)?;
                self.counterparty(&hold.body)
            }
            Body::Genesis(genesis) => genesis.payout,
            Body::Claim(_) | Body::Mint(Mint::Trial(_)) | Body::Vest(_) => None,
        }
    }
}

fn ambiguous(what: &str, prefix: &IdPrefix) -> ApiError {
    ApiError::new(ErrorKind::Usage, format!("several {what} start with {prefix}"))
        .with_hint("give more of its digits")
}

/// `a − b`; an amount beyond `i64` is more than all work there is, and shown as its end.
fn difference(a: Ucr, b: Ucr) -> i64 {
    let exact = i128::from(a.get()) - i128::from(b.get());
    i64::try_from(exact).unwrap_or(if exact > 0 { i64::MAX } else { i64::MIN })
}

fn counted(counted: &Counted) -> Amounts {
    Amounts {
        spendable_ucr: counted.spendable.get(),
        held_ucr: counted.held.get(),
        vesting_ucr: counted.vesting.get(),
    }
}

fn declared(balances: &Balances) -> Amounts {
    Amounts {
        spendable_ucr: balances.spendable.get(),
        held_ucr: balances.held.get(),
        vesting_ucr: balances.vesting.get(),
    }
}

fn kind_of(body: &Body) -> ReceiptKind {
    match body {
        Body::Genesis(_) => ReceiptKind::Genesis,
        Body::Claim(_) => ReceiptKind::Claim,
        Body::Attest(_) => ReceiptKind::Attest,
        Body::Mint(_) => ReceiptKind::Mint,
        Body::Vest(_) => ReceiptKind::Vest,
        Body::Hold(_) => ReceiptKind::Hold,
        Body::Settle(_) => ReceiptKind::Settle,
        Body::Release(_) => ReceiptKind::Release,
    }
}

fn vested_by(body: &Body) -> Vec<ReceiptId> {
    match body {
        Body::Vest(vest) => vest.entries.iter().map(|entry| entry.receipt).collect(),
        Body::Genesis(_)
        | Body::Claim(_)
        | Body::Attest(_)
        | Body::Mint(_)
        | Body::Hold(_)
        | Body::Settle(_)
        | Body::Release(_) => vec![],
    }
}

fn released_by(body: &Body) -> Option<ReceiptId> {
    match body {
        Body::Release(release) => Some(release.hold),
        Body::Genesis(_)
        | Body::Claim(_)
        | Body::Attest(_)
        | Body::Mint(_)
        | Body::Vest(_)
        | Body::Hold(_)
        | Body::Settle(_) => None,
    }
}

#[cfg(test)]
mod tests;
