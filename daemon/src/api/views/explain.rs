//! Why a receipt changed what it changed: one sentence, then the arithmetic.
//!
//! Numbers are recomputed here from what the receipt names, not read from it, so
//! that the lines can be followed by hand.

use credits::{
    Attest, Body, Claim, ClaimVerdict, FeeMint, GAS_PER_UCR, Mint, Receipt, Release, ReleaseProof, Settle,
    TrialMint, Ucr, Vest, attest_fee, trial_worth,
};
use proto::api::{ArithmeticLine, CheckEvidence, CheckVerdict, Explanation};
use proto::ids::{AccountId, ReceiptId};

use super::{View, kind_of};

/// A sentence and the lines below it.
type Said = (String, Vec<ArithmeticLine>);

impl View<'_> {
    /// Why a receipt changed what it changed.
    pub fn explain(&self, receipt: &Receipt) -> Explanation {
        let (sentence, mut arithmetic) = match &receipt.body {
            Body::Genesis(genesis) => {
                let class = genesis.numeric_class.short();
                (
                    format!(
                        "{} opened its chain with nothing, as a machine of numeric class {class}",
                        who(receipt)
                    ),
                    vec![],
                )
            }
            Body::Claim(claim) => self.explain_claim(receipt, claim),
            Body::Attest(attest) => self.explain_attest(receipt, attest),
            Body::Mint(Mint::Trial(mint)) => self.explain_trial(receipt, mint),
            Body::Mint(Mint::Fee(fee)) => self.explain_fee(receipt, fee),
            Body::Vest(vest) => self.explain_vest(receipt, vest),
            Body::Hold(hold) => (
                format!(
                    "{} reserved {} for job {} at {}, to be collected until epoch {}",
                    who(receipt),
                    hold.amount,
                    hold.job.short(),
                    hold.payee.short(),
                    hold.expiry_epoch
                ),
                vec![],
            ),
            Body::Settle(settle) => self.explain_settle(receipt, settle),
            Body::Release(release) => self.explain_release(receipt, release),
        };
        arithmetic.extend(self.balance_lines(receipt));
        Explanation {
            receipt: receipt.id,
            kind: kind_of(&receipt.body),
            account: receipt.account,
            sentence,
            arithmetic,
            evidence: self.evidence(receipt),
        }
    }

    fn explain_claim(&self, receipt: &Receipt, claim: &Claim) -> Said {
        let state = match self.ledger.verdict_of(&receipt.id) {
            ClaimVerdict::Open { draws: 0, .. } => "it waits for its draw".to_owned(),
            ClaimVerdict::Open { votes, unavailable, .. } => {
                let missed = match unavailable {
                    0 => String::new(),
                    votes => format!(", and {} could not check", plural(votes, "vote")),
                };
                let needed = self.ledger.charter().rules.voting.confirmations;
                format!("its checks have {} so far, {needed} are needed{missed}", plural(votes, "vote"))
            }
            ClaimVerdict::Minted { mint, stands: true, .. } => {
                format!("it was verified and minted by {}", mint.short())
            }
            ClaimVerdict::Minted { mint, stands: false, .. } => {
                format!("its mint {} has not the votes it needs any more", mint.short())
            }
            ClaimVerdict::Refuted { by, .. } => {
                format!("{} refuted it, so it earned nothing", plural(by.len(), "check"))
            }
            ClaimVerdict::Closed => "it was not minted in time, so it earned nothing".to_owned(),
            ClaimVerdict::Unknown => "it is not in the valid part of its chain".to_owned(),
        };
        let sentence = format!(
            "{} claims a trial of {} gas with {} bits per byte; {state}",
            who(receipt),
            claim.gas,
            bits(claim.metric_microbits)
        );
        (sentence, vec![self.worth_line(&receipt.id, claim)])
    }

    fn explain_attest(&self, receipt: &Receipt, attest: &Attest) -> Said {
        let check = self.run_of(receipt).and_then(|run| {
            let checks = self.checks(&run);
            checks.into_iter().find(|check| check.attest == receipt.id)
        });
        let found = match check.map(|check| check.verdict) {
            Some(CheckVerdict::Confirms) => "got the same",
            Some(CheckVerdict::Refutes) => "got something else",
            Some(CheckVerdict::Unavailable) => "could not get what it needed",
            Some(CheckVerdict::NotOpenYet) => "signed what it got; the trace is not open yet",
            None => "signed what it got; that counts for nothing, as the check is not valid",
        };
        let sentence = format!(
            "{} re-ran segment {} and evaluation block {} of claim {} of {} and {found}",
            who(receipt),
            attest.segment,
            attest.block,
            attest.claim.short(),
            self.owner(&attest.claim)
        );
        (sentence, vec![])
    }

    fn explain_trial(&self, receipt: &Receipt, mint: &TrialMint) -> Said {
        let Some(run) = self.run_of(receipt) else {
            return (format!("{} minted a claim that is not known here", who(receipt)), vec![]);
        };
        let checks = self.checks(&run);
        let confirming: Vec<&CheckEvidence> =
            checks.iter().filter(|check| mint.attests.contains(&check.attest)).collect();
        let votes: u32 = confirming.iter().filter_map(|check| check.votes).sum();
        let sentence = format!(
            "{} earned {} for one trial of {} gas, which {} of {} confirmed{}",
            who(receipt),
            self.earned(receipt),
            run.claim.gas,
            plural(votes, "vote"),
            plural(confirming.len(), "checker"),
            self.standing_of_mint(&mint.claim, receipt)
        );
        let sums: Vec<String> = mint.blocks.iter().map(|block| block.sum_microbits.to_string()).collect();
        let total: u128 = mint.blocks.iter().map(|block| u128::from(block.sum_microbits)).sum();
        let bytes = self.ledger.terms_of(&mint.claim).map_or(0, |terms| terms.eval_bytes);
        let metric =
            total.checked_div(u128::from(bytes)).map_or_else(|| "?".to_owned(), |metric| metric.to_string());
        let formula =
            format!("floor(({}) micro-bits / {bytes} bytes) = {metric} micro-bits a byte", sums.join(" + "));
        let result = ArithmeticLine { name: "result".to_owned(), formula, amount_ucr: None };
        (sentence, vec![self.worth_line(&mint.claim, run.claim), result])
    }

    fn explain_fee(&self, receipt: &Receipt, fee: &FeeMint) -> Said {
        let attest = self.ledger.receipt(&fee.attest).and_then(|attest| super::evidence::attest_of(attest));
        let (Some(run), Some(attest)) = (self.run_of(receipt), attest) else {
            return (format!("{} minted the fee of a check that is not known here", who(receipt)), vec![]);
        };
        let sentence = format!(
            "{} earned {} for checking segment {} of claim {} of {}{}",
            who(receipt),
            self.earned(receipt),
            attest.segment,
            attest.claim.short(),
            run.receipt.account.short(),
            self.standing_of_mint(&attest.claim, receipt)
        );
        let (gas, j, segments) = (run.claim.gas, attest.segment, run.claim.segments);
        let upto = |j: u32| u128::from(gas) * u128::from(j) / u128::from(segments);
        let share = upto(j) - upto(j - 1);
        let formula =
            format!("floor({gas} * {j} / {segments}) - floor({gas} * {} / {segments}) = {share} gas", j - 1);
        let of_segment = ArithmeticLine { name: "segment".to_owned(), formula, amount_ucr: None };
        let formula = format!("floor({share} gas * 11 / (10 * {GAS_PER_UCR}))");
        (sentence, vec![of_segment, line("fee", formula, attest_fee(gas, j, segments))])
    }

    fn explain_vest(&self, receipt: &Receipt, vest: &Vest) -> Said {
        let due: Vec<(ReceiptId, Ucr)> = vest
            .entries
            .iter()
            .map(|entry| {
                let amount =
                    self.ledger.receipt(&entry.receipt).map_or(Ucr::ZERO, |source| self.earned(source));
                (entry.receipt, amount)
            })
            .collect();
        let moved = receipt.after.spendable.saturating_sub(self.before(receipt).spendable);
        let sentence = format!(
            "{} may spend {moved} more: {} it had been waiting for came due",
            who(receipt),
            plural(due.len(), "earning")
        );
        let lines = due.iter().map(|(id, amount)| line("due", format!("earned by {}", id.short()), *amount));
        (sentence, lines.collect())
    }

    fn explain_settle(&self, receipt: &Receipt, settle: &Settle) -> Said {
        let sentence = format!(
            "{} collected {} of hold {} of {}",
            who(receipt),
            settle.amount(),
            settle.hold.short(),
            self.owner(&settle.hold)
        );
        let promised = settle.voucher.as_ref().map(|voucher| {
            line(
                "voucher",
                format!("promised for {}", plural(voucher.segment, "segment")),
                voucher.cumulative,
            )
        });
        (sentence, promised.into_iter().collect())
    }

    fn explain_release(&self, receipt: &Receipt, release: &Release) -> Said {
        let why = match release.proof {
            ReleaseProof::Settle(settle) => format!("settled by {}", settle.short()),
            ReleaseProof::ExpiredBy(_) => "which expired unsettled".to_owned(),
            ReleaseProof::ForkOf(account) => format!("because {} forked", account.short()),
        };
        let returned = receipt.after.spendable.saturating_sub(self.before(receipt).spendable);
        (format!("{} got {returned} back of hold {}, {why}", who(receipt), release.hold.short()), vec![])
    }

    /// What a mint or settle adds to what its account ever earned.
    fn earned(&self, receipt: &Receipt) -> Ucr {
        receipt.after.earned.saturating_sub(self.before(receipt).earned)
    }

    fn owner(&self, id: &ReceiptId) -> String {
        let owner = self.ledger.receipt(id).map(|receipt| receipt.account);
        owner.as_ref().map_or_else(|| "an unknown account".to_owned(), AccountId::short)
    }

    /// What else there is to say of a mint: whether it counts.
    fn standing_of_mint(&self, claim: &ReceiptId, receipt: &Receipt) -> String {
        match self.ledger.verdict_of(claim) {
            ClaimVerdict::Refuted { by, .. } => {
                format!("; it does not count, as {} refuted the trial", plural(by.len(), "check"))
            }
            ClaimVerdict::Minted { stands: false, .. } => {
                "; it does not count, as it has not the votes it needs any more".to_owned()
            }
            ClaimVerdict::Minted { .. } if self.ledger.counted_of(&receipt.id) == Ucr::ZERO => {
                "; it does not count".to_owned()
            }
            ClaimVerdict::Minted { window: None, .. } => {
                "; it becomes due once a founder has anchored it".to_owned()
            }
            ClaimVerdict::Minted { stands: true, .. } => String::new(),
            ClaimVerdict::Unknown | ClaimVerdict::Open { .. } | ClaimVerdict::Closed => {
                "; it does not count, as its claim has no valid mint".to_owned()
            }
        }
    }

    fn worth_line(&self, id: &ReceiptId, claim: &Claim) -> ArithmeticLine {
        let worth = trial_worth(claim.gas);
        match self.ledger.terms_of(id) {
            Some(terms) if terms.worth < worth => {
                line("worth", "nothing: the result is above the track's pay floor".to_owned(), terms.worth)
            }
            Some(_) | None => line("worth", format!("floor({} gas / {GAS_PER_UCR})", claim.gas), worth),
        }
    }

    /// Each balance that the receipt changed: before, change, after.
    fn balance_lines(&self, receipt: &Receipt) -> Vec<ArithmeticLine> {
        let (before, after) = (self.before(receipt), receipt.after);
        let parts = [
            ("spendable", before.spendable, after.spendable),
            ("held", before.held, after.held),
            ("vesting", before.vesting, after.vesting),
        ];
        let changed = parts.into_iter().filter(|(_, before, after)| before != after);
        changed
            .map(|(name, before, after)| {
                let (before_ucr, after_ucr) = (before.get(), after.get());
                let formula = if after_ucr > before_ucr {
                    format!("{before_ucr} + {}", after_ucr - before_ucr)
                } else {
                    format!("{before_ucr} - {}", before_ucr - after_ucr)
                };
                line(name, formula, after)
            })
            .collect()
    }
}

fn who(receipt: &Receipt) -> String {
    receipt.account.short()
}

fn line(name: &str, formula: String, amount: Ucr) -> ArithmeticLine {
    ArithmeticLine { name: name.to_owned(), formula, amount_ucr: Some(amount.get()) }
}

fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Millionths of a bit as bits.
fn bits(microbits: u64) -> String {
    format!("{}.{:06}", microbits / 1_000_000, microbits % 1_000_000)
}
