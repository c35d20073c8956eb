//! Rules on what a source may name: the purity of `credits` and `jobs`, and who may
//! know `training` and `ctl`.
//!
//! Paths are read from the tokens, not from the syntax tree, so that those within the
//! arguments of macros are seen as well.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{Offence, source};

/// Crates without clock, chance, files, sockets and tasks.
pub(crate) const PURE: [&str; 2] = ["credits", "jobs"];

/// What a pure crate does not name; `std::time` alone is a clock under another name.
const IMPURE: [&str; 12] = [
    "tokio",
    "libp2p",
    "burn",
    "rand",
    "getrandom",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
];

/// Crates that only the daemon's `main.rs` may name, besides examples and tests.
const FOR_MAIN: [&str; 2] = ["training", "ctl"];

/// Every offence of a file against the rules of this module.
pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let is_pure = PURE.iter().any(|name| file.starts_with(&format!("{name}/src/")));
    let is_daemon = file.starts_with("daemon/src/") && file != "daemon/src/main.rs";
    // What does not parse is an offence against another rule.
    let (true, Ok(tokens)) = (is_pure || is_daemon, text.parse::<TokenStream>()) else {
        return Vec::new();
    };
    let items = syn::parse_file(text).map_or(Vec::new(), |file| file.items);
    let tests: Vec<_> = items.iter().filter_map(source::test_lines).collect();
    let mut named = Vec::new();
    walk(tokens, &[], &mut named);
    let mut offences = Vec::new();
    for path in named {
        let name = path.segments.join("::");
        let is_test = tests.iter().any(|&(first, last)| (first..=last).contains(&path.line));
        if is_pure && !is_test && is_impure(&name) {
            offences.push(Offence::new(file, path.line, format!("{name} has no place in a pure crate")));
        }
        let first = path.segments[0].as_str();
        if is_daemon && FOR_MAIN.contains(&first) {
            offences.push(Offence::new(file, path.line, format!("only main.rs may name {first}")));
        }
    }
    offences
}

fn is_impure(name: &str) -> bool {
    let is_within = |of: &str| name == of || name.starts_with(&format!("{of}::"));
    name == "std::time" || name.ends_with("::OsRng") || IMPURE.iter().any(|impure| is_within(impure))
}

/// A path of two or more segments, or a crate named by `use`.
struct NamedPath {
    segments: Vec<String>,
    line: usize,
}

/// Collects the paths of `tokens`, each put behind `prefix`.
fn walk(tokens: TokenStream, prefix: &[String], found: &mut Vec<NamedPath>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    let mut follows_use = false;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(ident) if ident == "use" => follows_use = true,
            TokenTree::Ident(ident) => {
                let mut segments = prefix.to_vec();
                segments.push(ident.to_string());
                let line = ident.span().start().line;
                let group = follow(&tokens, &mut at, &mut segments);
                if let Some(group) = group {
                    walk(group, &segments, found);
                } else if segments.len() > 1 || follows_use {
                    found.push(NamedPath { segments, line });
                }
                follows_use = false;
            }
            TokenTree::Group(group) => walk(group.stream(), if follows_use { prefix } else { &[] }, found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// Follows `::segment` from the identifier at `at`; yields the group of a `::{...}`.
fn follow(tokens: &[TokenTree], at: &mut usize, segments: &mut Vec<String>) -> Option<TokenStream> {
    let is_colon =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':');
    while is_colon(tokens.get(*at + 1)) && is_colon(tokens.get(*at + 2)) {
        match tokens.get(*at + 3) {
            Some(TokenTree::Ident(ident)) => {
                segments.push(ident.to_string());
                *at += 3;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                *at += 3;
                return Some(group.stream());
            }
            _ => return None,
        }
    }
    None
}
