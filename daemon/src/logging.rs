//! Events to standard error, each with its time in RFC 3339 and its fields.
//!
//! Standard output belongs to data, so nothing is logged there.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// What the libraries below us may say: what they log at `info` is our `debug`.
const LIBRARIES: &str = "warn";

/// Crates whose events are ours.
const OWN: [&str; 5] = ["daemon", "swarmd", "training", "credits", "jobs"];

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is neither a level nor filter directives.
    #[error("log.level {level:?} is neither a level nor filter directives")]
    Level {
        /// What was given.
        level: String,
    },
    /// Something in this process logs already.
    #[error("logging has been started before")]
    Started,
}

impl LoggingError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Level { .. } => "use error, warn, info, debug, trace or for example info,daemon::net=debug",
            Self::Started => "report this as a bug",
        }
    }
}

/// Starts logging for this process at the configured level.
///
/// # Errors
/// As the variants of [`LoggingError`] say.
pub fn start(level: &str) -> Result<(), LoggingError> {
    let is_colourful =
        io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter(level)?)
        .with_timer(SystemTime)
        .with_writer(io::stderr)
        .with_ansi(is_colourful)
        .try_init()
        .map_err(|_| LoggingError::Started)
}

/// The filter for a level, or the one written out in directives.
fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let wrong = || LoggingError::Level { level: level.to_owned() };
    let directives = match level.parse::<tracing::Level>() {
        Ok(_) => OWN.iter().fold(LIBRARIES.to_owned(), |all, name| format!("{all},{name}={level}")),
        Err(_) if level.contains(['=', ',']) => level.to_owned(),
        Err(_) => return Err(wrong()),
    };
    EnvFilter::try_new(directives).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_holds_for_us_and_not_for_the_libraries() {
        let shown = filter("debug").unwrap().to_string();
        for directive in ["daemon=debug", "swarmd=debug", "training=debug", "warn"] {
            assert!(shown.split(',').any(|part| part == directive), "{shown}");
        }
    }

    #[test]
    fn directives_are_taken_as_they_are() {
        assert_eq!(filter("daemon::net=trace").unwrap().to_string(), "daemon::net=trace");
    }

    #[test]
    fn other_words_are_refused() {
        for level in ["", "verbose", "daemon=loud", "info,,=", "a b"] {
            assert!(matches!(filter(level), Err(LoggingError::Level { .. })), "{level}");
        }
    }
}
