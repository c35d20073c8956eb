//! Arguments and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proto::api::{HISTORY_ROWS_DEFAULT, HISTORY_ROWS_MAX, IdPrefix, ReceiptKind, ReceiptName};

const EXITS: &str = "\
Exit codes:
  0 done · 1 refused by the state · 2 wrong arguments · 3 no daemon answers ·
  4 not permitted · 5 not found · 6 timed out · 7 not enough credits ·
  8 does not verify · 9 versions differ · 10 network · 70 a bug · 130 interrupted

Examples:
  swarmctl status
  swarmctl ledger explain last
  swarmctl --json ledger balance | jq .counted.spendable.amount_ucr";

/// Ask a running swarmd what it does, has and knows.
#[derive(Debug, Parser)]
#[command(name = "swarmctl", version, after_help = EXITS, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print the daemon's answer as JSON; its first field names its schema
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The daemon's socket [default: $SWARM_SOCKET, else $XDG_RUNTIME_DIR/swarmd/api.sock, then /run/swarmd/api.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Give up after this many seconds [default: 15; ledger verify 605]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,
    /// Whether to print colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
}

/// When to print colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What the node is and does
    #[command(after_help = "Example:\n  swarmctl status")]
    Status,
    /// Credits: what an account has, and why
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// The search for better recipes
    #[command(subcommand)]
    Search(SearchCommand),
    /// Other nodes
    #[command(subcommand)]
    Peer(PeerCommand),
    /// The swarm this node is in
    #[command(subcommand)]
    Swarm(SwarmCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// What an account has, with the receipts behind each figure
    #[command(
        after_help = "Examples:\n  swarmctl ledger balance\n  swarmctl ledger balance --account 1f2e3d4c"
    )]
    Balance {
        #[command(flatten)]
        whose: Whose,
    },
    /// The newest receipts of an account with running balances
    #[command(
        after_help = "Examples:\n  swarmctl ledger history --limit 5\n  swarmctl ledger history --kind mint"
    )]
    History {
        #[command(flatten)]
        whose: Whose,
        /// Only receipts of this kind: genesis, claim, attest, mint, vest, hold, settle, release
        #[arg(long)]
        kind: Option<ReceiptKind>,
        /// How many receipts
        #[arg(long, default_value_t = HISTORY_ROWS_DEFAULT,
              value_parser = clap::value_parser!(u32).range(1..=i64::from(HISTORY_ROWS_MAX)))]
        limit: u32,
    },
    /// One receipt in a sentence, its arithmetic, and the evidence for it
    #[command(after_help = "Examples:\n  swarmctl ledger explain last\n  swarmctl ledger explain 9a8b7c6d")]
    Explain {
        /// `last`, a receipt id, or its first 8 or more hex digits
        #[arg(value_name = "RECEIPT")]
        receipt: ReceiptName,
    },
    /// What a receipt says, or its signed bytes
    #[command(
        after_help = "Examples:\n  swarmctl ledger receipt last\n  swarmctl ledger receipt 9a8b7c6d --raw > receipt.bin"
    )]
    Receipt {
        /// `last`, a receipt id, or its first 8 or more hex digits
        #[arg(value_name = "RECEIPT")]
        receipt: ReceiptName,
        /// Write the signed envelope's bytes as received, nothing else
        #[arg(long, conflicts_with = "json")]
        raw: bool,
    },
    /// Recompute every hash, signature, link and balance from the log on disk
    #[command(
        after_help = "Exit code 8 and the first bad record if anything does not verify.\n\nExample:\n  swarmctl ledger verify"
    )]
    Verify,
    /// All receipts of an account, for a spreadsheet or a program
    #[command(
        after_help = "Examples:\n  swarmctl ledger export > ledger.csv\n  swarmctl ledger export --format jsonl"
    )]
    Export {
        #[command(flatten)]
        whose: Whose,
        /// Form of the output; --json means json
        #[arg(long, value_name = "FORMAT", default_value = "csv")]
        format: ExportFormat,
    },
}

/// Which account.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// An account id, or its first 8 or more hex digits [default: this node's]
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<IdPrefix>,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma separated, one receipt a line, amounts in ucr
    Csv,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SearchCommand {
    /// The attested trials, best first
    #[command(after_help = "Example:\n  swarmctl search frontier")]
    Frontier,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// The connected peers
    #[command(after_help = "Example:\n  swarmctl peer list")]
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SwarmCommand {
    /// The charter, the founders and how to join
    #[command(after_help = "Example:\n  swarmctl swarm show")]
    Show,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
