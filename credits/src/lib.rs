#![doc = include_str!("../README.md")]

mod amount;
mod anchor;
mod audit;
mod balance;
mod body;
mod charter;
mod cover;
mod draw;
mod due;
mod fork;
mod item;
mod ledger;
mod pool;
mod receipt;
mod refusal;
mod rules;
mod sabotage;
mod set;
mod snapshot;
mod standing;
mod sync;
mod terms;
pub mod trace;
mod verdict;
pub mod votes;
mod voucher;
pub mod vrf;

pub use amount::{GAS_PER_UCR, Ucr, attest_fee, segment_price, trial_worth};
pub use anchor::Anchor;
pub use audit::{Audit, Money};
pub use balance::BalanceView;
pub use body::{
    Attest, BlockOpening, Body, Claim, FeeMint, Genesis, Hold, Mint, Release, ReleaseProof, Settle,
    TrialMint, Vest, VestEntry,
};
pub use charter::{Charter, CharterError, Delays, Founder, Rules, Voting};
pub use cover::{Counted, Totals};
pub use draw::{Draw, DrawShare, share_input};
pub use fork::ForkProof;
pub use item::Item;
pub use ledger::{Head, Ledger, Outcome, Verdict};
pub use receipt::{Balances, Draft, Receipt};
pub use refusal::{Refusal, TermsFault};
pub use rules::Name;
#[doc(hidden)]
pub use sabotage::Sabotage;
pub use standing::Window;
pub use terms::{ClaimTerms, Terms};
pub use verdict::ClaimVerdict;
pub use voucher::Voucher;
