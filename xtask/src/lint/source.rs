//! Rust source as tokens: what is code, as against comments, strings, docs and tests.
//!
//! Tokens rather than a syntax tree, because a macro's arguments are code too, and because this
//! builds in a second. Feeds `purity`, `bounded`, `sizes` and `packaging`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// One file's code without its tests and docs.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) code: TokenStream,
}

/// A path expression or import such as `std::fs::read`, and the line it starts on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CodePath {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// All code under `dir`, files that are modules of tests left out.
pub(super) fn read_tree(dir: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut test_files = BTreeSet::new();
    for path in rust_files(dir)? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let (code, test_modules) =
            production(&text).map_err(|error| error.context(path.display().to_string()))?;
        for name in test_modules {
            let home = module_dir(&path);
            test_files.insert(home.join(format!("{name}.rs")));
            test_files.insert(home.join(name));
        }
        sources.push(Source { path, code });
    }
    sources.retain(|source| {
        !source
            .path
            .ancestors()
            .any(|path| test_files.contains(path))
    });
    Ok(sources)
}

/// Every `.rs` file below `dir`, sorted.
pub(super) fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where the modules that `path` declares live.
fn module_dir(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(Path::new(""));
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") | None => parent.to_owned(),
        Some(stem) => parent.join(stem),
    }
}

/// The tokens of `text` without docs and test items, and the names of its out-of-line test modules.
pub(super) fn production(text: &str) -> Result<(TokenStream, Vec<String>)> {
    let stream: TokenStream = text
        .parse()
        .map_err(|error| anyhow!("is not Rust: {error}"))?;
    let mut test_modules = Vec::new();
    let code = strip(stream, &mut test_modules);
    Ok((code, test_modules))
}

fn strip(stream: TokenStream, test_modules: &mut Vec<String>) -> TokenStream {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some((attribute, next)) = attribute(&tokens, at) {
            match AttributeKind::of(attribute) {
                AttributeKind::Test => at = skip_item(&tokens, next, test_modules),
                AttributeKind::Doc => at = next,
                AttributeKind::Other => {
                    kept.extend(tokens[at..next].iter().cloned());
                    at = next;
                }
            }
            continue;
        }
        kept.push(match &tokens[at] {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), strip(group.stream(), test_modules));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            other => other.clone(),
        });
        at += 1;
    }
    kept.into_iter().collect()
}

/// The brackets of `#[…]` or `#![…]` at `at`, and where the tokens after it start.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<(&Group, usize)> {
    if !is_punct(tokens.get(at), '#') {
        return None;
    }
    let bracket = if is_punct(tokens.get(at + 1), '!') {
        at + 2
    } else {
        at + 1
    };
    match tokens.get(bracket) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            Some((group, bracket + 1))
        }
        _ => None,
    }
}

enum AttributeKind {
    Doc,
    Test,
    Other,
}

impl AttributeKind {
    fn of(brackets: &Group) -> Self {
        let text: String = brackets.stream().to_string().split_whitespace().collect();
        if text.starts_with("doc=") {
            return Self::Doc;
        }
        let is_test = matches!(text.as_str(), "test" | "cfg(test)")
            || text.ends_with("::test")
            || text.starts_with("tokio::test(")
            || text.starts_with("cfg(all(test,");
        if is_test { Self::Test } else { Self::Other }
    }
}

/// Where the tokens after the item at `at` start; notes the name of a `mod name;`.
fn skip_item(tokens: &[TokenTree], mut at: usize, test_modules: &mut Vec<String>) -> usize {
    while let Some((_, next)) = attribute(tokens, at) {
        at = next;
    }
    // A field, a variant or an argument ends at a comma; an item's generics may hold some.
    let mut is_item = false;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(word) if word == "mod" => {
                is_item = true;
                if let (Some(TokenTree::Ident(name)), true) =
                    (tokens.get(at), is_punct(tokens.get(at + 1), ';'))
                {
                    test_modules.push(name.to_string());
                }
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                is_item |= matches!(
                    word.as_str(),
                    "fn" | "impl" | "struct" | "enum" | "trait" | "type" | "use"
                );
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return at,
            TokenTree::Punct(punct) if punct.as_char() == ';' => return at,
            TokenTree::Punct(punct) if punct.as_char() == ',' && !is_item => return at,
            _ => {}
        }
    }
    at
}

pub(super) fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Every path in `code`: imports written out in full, single identifiers too.
pub(super) fn paths(code: &TokenStream) -> Vec<CodePath> {
    let mut found = Vec::new();
    collect_paths(code.clone(), &mut found);
    found
}

fn collect_paths(code: TokenStream, found: &mut Vec<CodePath>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "use" => {
                at = collect_imports(&tokens, at + 1, &[], found);
            }
            TokenTree::Ident(word) => {
                let mut path = CodePath {
                    segments: vec![word.to_string()],
                    line: word.span().start().line,
                };
                at += 1;
                while is_path_separator(&tokens, at) {
                    let Some(TokenTree::Ident(next)) = tokens.get(at + 2) else {
                        break;
                    };
                    path.segments.push(next.to_string());
                    at += 3;
                }
                found.push(path);
            }
            TokenTree::Group(group) => {
                collect_paths(group.stream(), found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Flattens one use tree (`std::{fs, io::Read as _}`); returns where the tokens after it start.
fn collect_imports(
    tokens: &[TokenTree],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<CodePath>,
) -> usize {
    let mut segments = prefix.to_vec();
    let mut line = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(word) if word == "as" => at += 1,
            TokenTree::Ident(word) => {
                line = word.span().start().line;
                segments.push(word.to_string());
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                '*' => segments.push("*".to_owned()),
                ',' => finish_import(&mut segments, prefix, line, found),
                ';' => break,
                _ => {}
            },
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                collect_imports(&inner, 0, &segments, found);
                segments.truncate(prefix.len());
            }
            TokenTree::Literal(_) => {}
        }
    }
    finish_import(&mut segments, prefix, line, found);
    at
}

/// Notes what was read since the last comma, if anything, and goes back to the prefix.
fn finish_import(
    segments: &mut Vec<String>,
    prefix: &[String],
    line: usize,
    found: &mut Vec<CodePath>,
) {
    if segments.len() > prefix.len() {
        found.push(CodePath {
            segments: segments.clone(),
            line,
        });
        segments.truncate(prefix.len());
    }
}

/// The lines that hold code: blank lines, comments, docs and tests are not among them.
pub(super) fn code_lines(code: &TokenStream) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    collect_lines(code.clone(), &mut lines);
    lines
}

fn collect_lines(code: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in code {
        match token {
            TokenTree::Group(group) => {
                lines.insert(group.span_open().start().line);
                lines.insert(group.span_close().end().line);
                collect_lines(group.stream(), lines);
            }
            // A string may span lines.
            other => lines.extend(other.span().start().line..=other.span().end().line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> TokenStream {
        production(text).unwrap().0
    }

    fn joined(text: &str) -> Vec<String> {
        paths(&code(text))
            .iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn imports_are_written_out_in_full() {
        assert_eq!(
            joined("use std::{fs, io::{self, Read as _}, net::*}; use a::b as c;"),
            [
                "std::fs",
                "std::io::self",
                "std::io::Read",
                "std::net::*",
                "a::b"
            ]
        );
    }

    #[test]
    fn paths_are_found_inside_macros_and_not_in_comments_strings_or_docs() {
        let text = r#"
            //! std::fs
            /// tokio::spawn
            fn f() { /* std::thread */ let _ = "std::net"; log!("{:?}", Instant::now()) }
        "#;
        let found = joined(text);
        assert!(found.contains(&"Instant::now".to_owned()), "{found:?}");
        assert!(
            !found
                .iter()
                .any(|path| path.starts_with("std") || path.starts_with("tokio")),
            "{found:?}"
        );
    }

    #[test]
    fn test_items_are_not_code() {
        let text = "
            fn kept() {}
            #[cfg(test)] mod inline { fn gone() { std::fs::read(x) } }
            #[cfg(test)] mod elsewhere;
            #[cfg(all(test, unix))] use std::thread;
            #[test] fn t<A, B>() { tokio::spawn() }
            struct S { #[cfg(test)] hidden: Hidden, shown: Shown }
            #[cfg(not(test))] fn also_kept() {}
        ";
        let (stream, modules) = production(text).unwrap();
        let text = stream.to_string();
        assert_eq!(modules, ["elsewhere"]);
        for kept in ["kept", "also_kept", "Shown"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for gone in ["gone", "fs", "thread", "tokio", "Hidden"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
    }

    #[test]
    fn a_file_that_is_a_test_module_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("ring")).unwrap();
        fs::write(dir.path().join("lib.rs"), "mod ring;").unwrap();
        fs::write(
            dir.path().join("ring.rs"),
            "#[cfg(test)] mod tests; fn f() {}",
        )
        .unwrap();
        fs::write(dir.path().join("ring/tests.rs"), "use std::fs;").unwrap();
        let names: Vec<_> = read_tree(dir.path())
            .unwrap()
            .iter()
            .map(|source| source.path.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["lib.rs", "ring.rs"]);
    }

    #[test]
    fn only_lines_with_code_are_counted() {
        let text =
            "//! docs\n\nfn f() {\n    // why\n    g(\"a\nb\");\n\n}\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(
            code_lines(&code(text)).into_iter().collect::<Vec<_>>(),
            [3, 5, 6, 8]
        );
    }
}
