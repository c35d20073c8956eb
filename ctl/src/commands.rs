//! The commands: each asks once, and says the answer.

mod balance;
mod explain;
mod export;
mod frontier;
mod history;
mod peers;
mod receipt;
mod status;
mod swarm;
mod verify;

use proto::api::{ApiAnswer, ApiError, ApiRequest, ErrorKind};

use crate::cli::{Cli, Command, LedgerCommand, PeerCommand, SearchCommand, SwarmCommand};
use crate::client::Client;
use crate::exit::Exit;
use crate::output::Output;

/// Carries out what the arguments say.
///
/// # Errors
/// What failed, for [`Output::error`]; its kind decides the exit code.
pub(crate) async fn carry_out(cli: &Cli, output: &Output) -> Result<Exit, ApiError> {
    let client = Client::new(cli.global.socket.as_deref(), cli.global.timeout);
    let request = match &cli.command {
        Command::Status => ApiRequest::Status,
        Command::Ledger(command) => match command {
            LedgerCommand::Balance { whose } => ApiRequest::Balance { account: whose.account.clone() },
            LedgerCommand::History { whose, kind, limit } => {
                ApiRequest::History { account: whose.account.clone(), kind: *kind, limit: *limit }
            }
            LedgerCommand::Explain { receipt } => ApiRequest::Explain { receipt: receipt.clone() },
            LedgerCommand::Receipt { receipt, raw: false } => {
                ApiRequest::Receipt { receipt: receipt.clone() }
            }
            LedgerCommand::Receipt { receipt, raw: true } => {
                return receipt::write_raw(&client, receipt.clone(), output).await;
            }
            LedgerCommand::Verify => ApiRequest::Verify,
            LedgerCommand::Export { whose, format } => {
                return export::carry_out(&client, whose.account.clone(), *format, output).await;
            }
        },
        Command::Search(SearchCommand::Frontier) => ApiRequest::Frontier,
        Command::Peer(PeerCommand::List) => ApiRequest::Peers,
        Command::Swarm(SwarmCommand::Show) => ApiRequest::Swarm,
    };
    let answered = client.ask(&request).await?;
    if output.is_json() {
        let mut body = answered.body.to_vec();
        if !body.ends_with(b"\n") {
            body.push(b'\n');
        }
        output.data(&body)?;
    } else {
        let mut page = output.page();
        say(&answered.answer, &mut page);
        output.data(page.into_text().as_bytes())?;
    }
    match answered.answer {
        ApiAnswer::Verify(verification) => verify::judge(&verification),
        ApiAnswer::Status(_)
        | ApiAnswer::Balance(_)
        | ApiAnswer::History(_)
        | ApiAnswer::Explain(_)
        | ApiAnswer::Receipt(_)
        | ApiAnswer::Export(_)
        | ApiAnswer::Frontier(_)
        | ApiAnswer::Peers(_)
        | ApiAnswer::Swarm(_) => Ok(Exit::Ok),
    }
}

fn say(answer: &ApiAnswer, page: &mut crate::output::Page) {
    match answer {
        ApiAnswer::Status(status) => status::say(status, page),
        ApiAnswer::Balance(balance) => balance::say(balance, page),
        ApiAnswer::History(history) => history::say(history, page),
        ApiAnswer::Explain(explanation) => explain::say(explanation, page),
        ApiAnswer::Receipt(receipt) => receipt::say(receipt, page),
        ApiAnswer::Verify(verification) => verify::say(verification, page),
        ApiAnswer::Export(export) => history::say_rows(&export.rows, page),
        ApiAnswer::Frontier(frontier) => frontier::say(frontier, page),
        ApiAnswer::Peers(peers) => peers::say(peers, page),
        ApiAnswer::Swarm(swarm) => swarm::say(swarm, page),
    }
}

/// The daemon answered something else than was asked for, past the check of the client.
fn wrong_answer() -> ApiError {
    ApiError::new(ErrorKind::Bug, "the answer is of another kind than the request")
}
