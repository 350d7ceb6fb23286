//! What a check found, and how it is printed.

use std::time::Duration;

use super::Check;

/// The end of one check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds; a note where there is something worth a look.
    Passed(Vec<String>),
    /// It could not be made here, and why.
    Skipped(String),
    /// What was found, one finding a line, each naming its place.
    Failed(Vec<String>),
}

impl Outcome {
    /// Passes when nothing was found.
    pub(super) fn from_findings(findings: Vec<String>) -> Self {
        if findings.is_empty() {
            Self::Passed(Vec::new())
        } else {
            Self::Failed(findings)
        }
    }

    pub(super) fn failed(finding: impl Into<String>) -> Self {
        Self::Failed(vec![finding.into()])
    }

    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    pub(super) fn is_skip(&self) -> bool {
        matches!(self, Self::Skipped(_))
    }

    pub(super) fn print(&self, check: &Check, took: Duration) {
        let line = format!(
            "{:<12} {} ({:.1} s)",
            check.name,
            check.about,
            took.as_secs_f64()
        );
        match self {
            Self::Passed(notes) => {
                println!("✓ {line}");
                notes.iter().for_each(|note| println!("    note: {note}"));
            }
            Self::Skipped(reason) => println!("– {line}\n    skipped: {reason}"),
            Self::Failed(findings) => {
                println!("✗ {line}");
                findings
                    .iter()
                    .for_each(|finding| println!("    {finding}"));
                println!("    → {}", check.remedy);
            }
        }
    }
}
