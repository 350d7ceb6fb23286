//! Pure cores: outside modules named `driver`, a library asks no clock, runs nothing, touches no I/O.

use std::path::Path;

use anyhow::Result;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::outcome::Outcome;
use super::source::{self, CodePath, is_punct};
use super::{Check, Context};

pub(super) const CHECK: Check = Check {
    name: "purity",
    about: "cores take time as an argument and do no I/O",
    remedy: "take `now` (or the bytes) as an argument, or move the code into a module named `driver`",
    compiles: false,
    run,
};

/// Crates that are drivers as a whole: the controller wires the path; testkit holds tests' instruments.
const EXEMPT: [&str; 2] = ["stream-service", "testkit"];

/// Path prefixes that are I/O, threads, a runtime or chance, and what may follow them all the same.
const IMPURE: &[(&[&str], &[&str])] = &[
    (&["std", "env"], &[]),
    (&["std", "fs"], &[]),
    (&["std", "io", "stdin"], &[]),
    (&["std", "io", "stdout"], &[]),
    (&["std", "io", "stderr"], &[]),
    (
        &["std", "net"],
        &[
            "AddrParseError",
            "IpAddr",
            "Ipv4Addr",
            "Ipv6Addr",
            "SocketAddr",
            "SocketAddrV4",
            "SocketAddrV6",
        ],
    ),
    (&["std", "os"], &[]),
    (&["std", "process"], &[]),
    (&["std", "thread"], &[]),
    (&["std", "time", "*"], &[]),
    (&["fastrand"], &[]),
    (&["getrandom"], &[]),
    (&["rand"], &["Rng", "RngCore", "SeedableRng"]),
    (&["quinn_udp"], &[]),
    (&["reqwest"], &[]),
    (&["socket2"], &[]),
    (&["tokio"], &[]),
];

fn run(context: &Context) -> Result<Outcome> {
    let mut findings = Vec::new();
    for package in &context.workspace.packages {
        if !package.is_library_crate(&context.workspace) || EXEMPT.contains(&package.name.as_str())
        {
            continue;
        }
        let src = package.dir().join("src");
        for source in source::read_tree(&src)? {
            if is_driver(source.path.strip_prefix(&src).unwrap_or(&source.path)) {
                continue;
            }
            let place = context.workspace.relative(&source.path);
            findings.extend(
                impurities(source.code)
                    .into_iter()
                    .map(|(line, what)| format!("{place}:{line} {what}")),
            );
        }
    }
    Ok(Outcome::from_findings(findings))
}

/// `driver.rs`, or anything in a folder `driver`.
fn is_driver(path: &Path) -> bool {
    path.with_extension("")
        .components()
        .any(|part| part.as_os_str() == "driver")
}

/// Line and description of each impurity, in line order.
fn impurities(code: TokenStream) -> Vec<(usize, String)> {
    let code = without_inline_drivers(code);
    let mut found: Vec<_> = source::paths(&code)
        .iter()
        .filter_map(impure_path)
        .collect();
    elapsed_calls(code, &mut found);
    found.sort();
    found.dedup();
    found
}

fn impure_path(path: &CodePath) -> Option<(usize, String)> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let text = path.segments.join("::");
    if segments.len() > 1 && segments.last() == Some(&"now") {
        return Some((path.line, format!("`{text}` reads a clock")));
    }
    let (prefix, _) = IMPURE.iter().find(|(prefix, excepted)| {
        let rest = segments.strip_prefix(*prefix);
        // A single word such as `rand` may be a variable; a path or an import is longer.
        rest.is_some_and(|rest| {
            segments.len() > 1 && !rest.first().is_some_and(|next| excepted.contains(next))
        })
    })?;
    Some((
        path.line,
        format!("`{text}`: {} is not for a core", prefix.join("::")),
    ))
}

/// `since.elapsed()` is a clock read in disguise.
fn elapsed_calls(code: TokenStream, found: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => elapsed_calls(group.stream(), found),
            TokenTree::Ident(word)
                if word == "elapsed" && at > 0 && is_punct(tokens.get(at - 1), '.') =>
            {
                let no_arguments = matches!(tokens.get(at + 1), Some(TokenTree::Group(group))
                    if group.delimiter() == Delimiter::Parenthesis && group.stream().is_empty());
                if no_arguments {
                    found.push((
                        word.span().start().line,
                        "`.elapsed()` reads a clock".to_owned(),
                    ));
                }
            }
            _ => {}
        }
    }
}

/// Drops the body of every `mod driver { … }`.
fn without_inline_drivers(code: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let word = |at: usize, wanted: &str| matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == wanted);
    tokens
        .iter()
        .enumerate()
        .filter(|(at, token)| {
            let is_body =
                matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            !(is_body && *at >= 2 && word(at - 2, "mod") && word(at - 1, "driver"))
        })
        .map(|(_, token)| token.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let (code, _) = source::production(text).unwrap();
        impurities(code).into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn clocks_io_threads_and_runtimes_are_found_however_they_are_named() {
        for text in [
            "fn f() { let now = Instant::now(); }",
            "fn f() { let now = std::time::SystemTime::now(); }",
            "fn f(since: Instant) { since.elapsed(); }",
            "fn f() { trace!(\"{}\", Instant::now()) }",
            "use std::fs as files;",
            "use std::{collections::BTreeMap, thread};",
            "use std::net::{SocketAddr, UdpSocket};",
            "use std::net;",
            "use ::std::net::*;",
            "use std::time::*;",
            "fn f() { tokio::spawn(g()); }",
            "use tokio::sync::mpsc;",
            "fn f() -> u8 { rand::random() }",
        ] {
            assert_eq!(found(text).len(), 1, "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn a_core_may_name_times_addresses_and_its_own_things() {
        for text in [
            "use std::time::{Duration, Instant}; fn f(now: Instant) -> Instant { now + Duration::ZERO }",
            "use std::net::{IpAddr, SocketAddr};",
            "use std::io::{Read, Seek};",
            "fn f(rand: u8, tokio: u8) -> u8 { rand + tokio }",
            "fn f() { self.elapsed(now); self.now() }",
            "// Instant::now()\nfn f() { g(\"Instant::now()\") }",
            "#[cfg(test)] mod tests { use std::fs; }",
            "mod driver { use std::fs; }",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn drivers_are_known_by_their_name() {
        assert!(is_driver(Path::new("driver.rs")));
        assert!(is_driver(Path::new("store/driver/file.rs")));
        assert!(!is_driver(Path::new("driver_config.rs")));
        assert!(!is_driver(Path::new("ring.rs")));
    }
}
