//! A file is one concept and a function one thought: neither grows beyond what a person keeps in mind.

use std::fs;

use anyhow::{Context as _, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::outcome::Outcome;
use super::source::{self, is_punct};
use super::{Check, Context};

pub(super) const CHECK: Check = Check {
    name: "sizes",
    about: "files hold at most 500 lines of code, functions 60",
    remedy: "split by concept; long tests belong in tests/<behaviour>.rs",
    compiles: false,
    run,
};

/// Lines of code (no comments, docs, tests or blank lines) a file is meant to stay under, and must.
const FILE: Limits = Limits {
    aim: 400,
    most: 500,
};
/// The same for a function, its signature included.
const FUNCTION: Limits = Limits { aim: 40, most: 60 };

struct Limits {
    aim: usize,
    most: usize,
}

#[derive(Default)]
struct Report {
    findings: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    fn add(&mut self, what: &str, lines: usize, limits: &Limits) {
        if lines > limits.most {
            self.findings.push(format!(
                "{what} has {lines} lines of code, more than {}",
                limits.most
            ));
        } else if lines > limits.aim {
            self.notes.push(format!(
                "{what} has {lines} lines of code; aim for {}",
                limits.aim
            ));
        }
    }
}

fn run(context: &Context) -> Result<Outcome> {
    let mut report = Report::default();
    for package in &context.workspace.packages {
        for source in source::read_tree(&package.dir().join("src"))? {
            let place = context.workspace.relative(&source.path);
            report.add(&place, source::code_lines(&source.code).len(), &FILE);
            for function in functions(&source.code) {
                report.add(
                    &format!("{place}:{} fn {}", function.line, function.name),
                    function.lines,
                    &FUNCTION,
                );
            }
        }
    }
    page_modules(context, &mut report)?;
    Ok(if report.findings.is_empty() {
        Outcome::Passed(report.notes)
    } else {
        Outcome::Failed(report.findings)
    })
}

/// The page's JavaScript, by its lines that are neither blank nor comment.
fn page_modules(context: &Context, report: &mut Report) -> Result<()> {
    let mut folders = vec![context.workspace.root.join("web")];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() || folder.ends_with("tests") || folder.ends_with("node_modules") {
            continue;
        }
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "js") {
                let text = fs::read_to_string(&path)?;
                let is_code = |line: &&str| {
                    !line.is_empty() && !["//", "/*", "*"].iter().any(|mark| line.starts_with(mark))
                };
                report.add(
                    &context.workspace.relative(&path),
                    text.lines().map(str::trim).filter(is_code).count(),
                    &FILE,
                );
            }
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every function with a body, nested ones and methods included.
fn functions(code: &TokenStream) -> Vec<Function> {
    let mut found = Vec::new();
    collect(code.clone(), &mut found);
    found
}

fn collect(code: TokenStream, found: &mut Vec<Function>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Ident(word) if word == "fn" => found.extend(function(&tokens, at)),
            _ => {}
        }
    }
}

/// The function whose `fn` stands at `at`; `None` for a type such as `fn(u8)` or a bodiless method.
fn function(tokens: &[TokenTree], at: usize) -> Option<Function> {
    let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else {
        return None;
    };
    let is_body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let end = at
        + tokens[at..]
            .iter()
            .position(|token| is_body(token) || is_punct(Some(token), ';'))?;
    if !is_body(&tokens[end]) {
        return None;
    }
    let own: TokenStream = tokens[at..=end].iter().cloned().collect();
    let lines = source::code_lines(&own);
    Some(Function {
        name: name.to_string(),
        line: *lines.first()?,
        lines: lines.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_without_their_comments() {
        let text = "
trait T { fn bodiless(&self); }
impl T for S {
    fn method(&self) {
        // a comment

        g(|| {
            1
        });
    }
}
const POINTER: fn(u8) -> u8 = f;
";
        let (code, _) = source::production(text).unwrap();
        assert_eq!(
            functions(&code),
            [Function {
                name: "method".to_owned(),
                line: 4,
                lines: 5
            }]
        );
    }

    #[test]
    fn beyond_the_aim_is_a_note_and_beyond_the_most_a_finding() {
        let mut report = Report::default();
        report.add("a", 400, &FILE);
        report.add("b", 401, &FILE);
        report.add("c", 501, &FILE);
        assert_eq!((report.notes.len(), report.findings.len()), (1, 1));
    }
}
