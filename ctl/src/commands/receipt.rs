//! `ledger receipt`.

use data_encoding::HEXLOWER;
use proto::api::{ApiAnswer, ApiError, ApiRequest, ErrorKind, ReceiptName, ReceiptView};

use super::wrong_answer;
use crate::amounts::amount;
use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Output, Page};

/// Says what a receipt says.
pub(crate) fn say(receipt: &ReceiptView, page: &mut Page) {
    page.field("receipt", receipt.receipt.to_string());
    page.field("kind", receipt.kind.word());
    page.field("account", receipt.account.to_string());
    page.field("position", format!("{}, epoch {}", receipt.seq, receipt.epoch));
    page.field("after", receipt.prev.map_or_else(|| "nothing".to_owned(), |prev| prev.to_string()));
    let after = receipt.after;
    page.field(
        "then",
        format!(
            "{} spendable, {} held, {} vesting",
            amount(after.spendable_ucr),
            amount(after.held_ucr),
            amount(after.vesting_ucr)
        ),
    );
    if !receipt.fields.is_empty() {
        page.heading("Says");
        let rows = receipt.fields.iter().map(|field| vec![field.name.clone(), field.value.clone()]);
        page.table(&["field", "value"], rows.collect());
    }
}

/// Writes a receipt's signed envelope as received.
///
/// # Errors
/// Those of the request, and an envelope that is no hex.
pub(crate) async fn write_raw(
    client: &Client,
    receipt: ReceiptName,
    output: &Output,
) -> Result<Exit, ApiError> {
    let ApiAnswer::Receipt(view) = client.ask(&ApiRequest::Receipt { receipt }).await?.answer else {
        return Err(wrong_answer());
    };
    let bytes = HEXLOWER.decode(view.envelope.as_bytes()).map_err(|error| {
        ApiError::new(ErrorKind::VersionMismatch, format!("the envelope in the answer is no hex: {error}"))
    })?;
    output.data(&bytes)?;
    Ok(Exit::Ok)
}
