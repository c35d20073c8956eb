//! Exit codes: what a script can tell apart.

use std::process::ExitCode;

use proto::api::ErrorKind;

/// How a command ended. The numbers are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The state does not allow it now.
    Refused = 1,
    /// Wrong arguments.
    Usage = 2,
    /// No daemon answers.
    Unreachable = 3,
    /// The caller may not.
    NotPermitted = 4,
    /// Nothing has that name.
    NotFound = 5,
    /// No answer in time.
    TimedOut = 6,
    /// The account has not enough credits.
    NotEnoughCredits = 7,
    /// Something does not verify.
    VerificationFailed = 8,
    /// Daemon and command line are of different versions.
    VersionMismatch = 9,
    /// Peers cannot be reached.
    Network = 10,
    /// A mistake in the program.
    Bug = 70,
    /// Interrupted from the keyboard.
    Interrupted = 130,
}

impl Exit {
    /// The exit of a failed request.
    pub(crate) const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::NotPermitted => Self::NotPermitted,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::NotEnoughCredits => Self::NotEnoughCredits,
            ErrorKind::VerificationFailed => Self::VerificationFailed,
            ErrorKind::VersionMismatch => Self::VersionMismatch,
            ErrorKind::Network => Self::Network,
            ErrorKind::Bug => Self::Bug,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints what clap has to say: help and version to standard output with exit 0,
/// the rest to standard error with exit 2.
pub(crate) fn of_usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is all that can fail here, and nobody is left to be told.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_frozen() {
        let numbers = [
            (ErrorKind::Refused, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::Unreachable, 3),
            (ErrorKind::NotPermitted, 4),
            (ErrorKind::NotFound, 5),
            (ErrorKind::TimedOut, 6),
            (ErrorKind::NotEnoughCredits, 7),
            (ErrorKind::VerificationFailed, 8),
            (ErrorKind::VersionMismatch, 9),
            (ErrorKind::Network, 10),
            (ErrorKind::Bug, 70),
        ];
        for (kind, number) in numbers {
            assert_eq!(Exit::of(kind) as u8, number, "{kind:?}");
        }
        assert_eq!((Exit::Ok as u8, Exit::Interrupted as u8), (0, 130));
    }
}
