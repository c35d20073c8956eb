//! The only printer: data to standard output, words to standard error.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use proto::api::{ApiError, ErrorKind};

use crate::cli::ColorWhen;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Width of the names in front of values.
const NAME_WIDTH: usize = 12;

/// Where and how to print.
pub(crate) struct Output {
    json: bool,
    color: ColorWhen,
}

impl Output {
    pub(crate) fn new(json: bool, color: ColorWhen) -> Self {
        Self { json, color }
    }

    /// Whether the caller wants JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// An empty page for people.
    pub(crate) fn page(&self) -> Page {
        Page { text: String::new(), is_colored: self.is_colored(io::stdout().is_terminal()) }
    }

    /// Writes data to standard output.
    ///
    /// # Errors
    /// When the output cannot be written; a reader that has seen enough is none.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), ApiError> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(ApiError::new(ErrorKind::Refused, format!("standard output cannot be written: {error}")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Says what failed, why, and what to do. With `--json` as one JSON object.
    pub(crate) fn error(&self, error: &ApiError) {
        let text = if self.json {
            serde_json::to_string(error).expect("an error is text and nothing else") + "\n"
        } else {
            let (red, plain) =
                if self.is_colored(io::stderr().is_terminal()) { (RED, PLAIN) } else { ("", "") };
            let hint = error.hint.iter().map(|hint| format!(" hint: {hint}\n"));
            format!("{red}error:{plain} {error}\n{}", hint.collect::<String>())
        };
        // Nobody is left to be told when standard error is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn is_colored(&self, is_terminal: bool) -> bool {
        match self.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// Text for people, built line by line.
pub(crate) struct Page {
    text: String,
    is_colored: bool,
}

impl Page {
    /// A line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    /// A heading, after an empty line unless it is the first.
    pub(crate) fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let (bold, plain) = if self.is_colored { (BOLD, PLAIN) } else { ("", "") };
        self.line(format!("{bold}{text}{plain}"));
    }

    /// A value with its name in front.
    pub(crate) fn field(&mut self, name: &str, value: impl AsRef<str>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{name:NAME_WIDTH$} {}", value.as_ref());
    }

    /// A table; a column whose name starts with `>` is aligned to the right.
    pub(crate) fn table(&mut self, columns: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|name| Cell::new(name.trim_start_matches('>'))));
        table.add_rows(rows);
        for (column, name) in table.column_iter_mut().zip(columns) {
            column.set_padding((0, 2));
            if name.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.to_string().lines() {
            self.line(line.trim_end());
        }
    }

    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
