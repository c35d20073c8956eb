//! `ledger export`: page after page, in the form asked for.

use proto::api::{ApiAnswer, ApiError, ApiRequest, Export, HistoryRow, IdPrefix};

use super::wrong_answer;
use crate::cli::ExportFormat;
use crate::client::Client;
use crate::exit::Exit;
use crate::output::Output;

const CSV_HEAD: &str = "seq,receipt,kind,epoch,spendable_change_ucr,held_change_ucr,vesting_change_ucr,\
spendable_ucr,held_ucr,vesting_ucr,counterparty,is_final\n";

/// Writes all receipts of an account. CSV and lines are written as they arrive,
/// one JSON document when it is complete.
///
/// # Errors
/// Those of the requests and of writing.
pub(crate) async fn carry_out(
    client: &Client,
    account: Option<IdPrefix>,
    format: ExportFormat,
    output: &Output,
) -> Result<Exit, ApiError> {
    let format = if output.is_json() { ExportFormat::Json } else { format };
    let mut from_seq = 1;
    let mut all: Option<Export> = None;
    loop {
        let request = ApiRequest::Export { account: account.clone(), from_seq };
        let ApiAnswer::Export(mut page) = client.ask(&request).await?.answer else {
            return Err(wrong_answer());
        };
        let next = page.next_seq.take().filter(|next| *next > from_seq);
        match format {
            ExportFormat::Csv => {
                let head = if from_seq == 1 { CSV_HEAD } else { "" };
                let lines: String = page.rows.iter().map(csv_line).collect();
                output.data(format!("{head}{lines}").as_bytes())?;
            }
            ExportFormat::Jsonl => {
                let lines: String = page.rows.iter().map(|row| to_json(row) + "\n").collect();
                output.data(lines.as_bytes())?;
            }
            ExportFormat::Json => match &mut all {
                Some(all) => all.rows.append(&mut page.rows),
                None => all = Some(page),
            },
        }
        match next {
            Some(seq) => from_seq = seq,
            None => break,
        }
    }
    if let Some(all) = all {
        output.data((to_json(&ApiAnswer::Export(all)) + "\n").as_bytes())?;
    }
    Ok(Exit::Ok)
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("rows are numbers, text and ids")
}

/// No value needs quoting: all are numbers, hex and plain words.
fn csv_line(row: &HistoryRow) -> String {
    let HistoryRow { seq, receipt, kind, epoch, change, after, counterparty, is_final } = row;
    let counterparty = counterparty.map(|account| account.to_string()).unwrap_or_default();
    format!(
        "{seq},{receipt},{kind},{epoch},{},{},{},{},{},{},{counterparty},{is_final}\n",
        change.spendable_ucr,
        change.held_ucr,
        change.vesting_ucr,
        after.spendable_ucr,
        after.held_ucr,
        after.vesting_ucr,
    )
}
