//! `ledger verify`.

use proto::api::{ApiError, ErrorKind, Verification};

use crate::exit::Exit;
use crate::output::Page;

/// Says what recomputing everything found.
pub(crate) fn say(verification: &Verification, page: &mut Page) {
    let verdict = if verification.ok { "every record verifies" } else { "a record does not verify" };
    page.field("result", verdict);
    page.field("records", verification.records.to_string());
    page.field("receipts", verification.receipts.to_string());
    page.field("accounts", verification.accounts.to_string());
    page.field("digest", &verification.digest);
}

/// The exit of a verification.
///
/// # Errors
/// When something does not verify, with the first bad record.
pub(crate) fn judge(verification: &Verification) -> Result<Exit, ApiError> {
    if verification.ok {
        return Ok(Exit::Ok);
    }
    let message = match &verification.first_bad {
        Some(bad) => format!("{} at byte {} does not verify: {}", bad.file, bad.offset, bad.reason),
        None => "the recomputed ledger differs from the running one".to_owned(),
    };
    let hint = "copy the state folder away before anything else; the records before this one are intact";
    Err(ApiError::new(ErrorKind::VerificationFailed, message).with_hint(hint))
}
