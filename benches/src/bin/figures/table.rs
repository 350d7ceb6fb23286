//! What came out, as a table for a person or as JSON lines for a script.
//!
//! Fed by each measurement as it ends, so that a long run shows its progress; feeds stdout.

use std::io::{self, Write};

use serde_json::json;

use crate::catalogue::{Figure, Target, figure};
use crate::procfs;

/// Where results go.
pub(crate) struct Table {
    json: bool,
    wanted: Vec<String>,
    printed: Vec<&'static str>,
    missed: usize,
    skipped: usize,
}

impl Table {
    /// `wanted` names the figures to print; none means all.
    pub(crate) fn new(json: bool, wanted: Vec<String>) -> Self {
        Self {
            json,
            wanted,
            printed: Vec::new(),
            missed: 0,
            skipped: 0,
        }
    }

    /// Whether any of these is to be measured.
    pub(crate) fn wants(&self, names: &[&str]) -> bool {
        self.wanted.is_empty()
            || names
                .iter()
                .any(|name| self.wanted.iter().any(|wanted| wanted == name))
    }

    /// Prints a value; `detail` says how it came about and what a reader should know about it.
    pub(crate) fn measured(&mut self, name: &str, value: f64, detail: &str) -> io::Result<()> {
        let Some(figure) = figure(name).filter(|_| self.wants(&[name])) else {
            return Ok(());
        };
        let met = figure.target.is_met_by(value);
        self.missed += usize::from(!met);
        let outcome = if met { "met" } else { "missed" };
        self.print(figure, outcome, Some(value), detail)
    }

    /// Prints a value that does not count, whatever it is, for the reason that `detail` gives.
    pub(crate) fn failed(&mut self, name: &str, value: f64, detail: &str) -> io::Result<()> {
        let Some(figure) = figure(name).filter(|_| self.wants(&[name])) else {
            return Ok(());
        };
        self.missed += 1;
        self.print(figure, "missed", Some(value), detail)
    }

    /// Says why a measurement failed, unless its value is out already.
    pub(crate) fn broken(&mut self, name: &str, reason: &str) -> io::Result<()> {
        if self.printed.contains(&name) {
            return Ok(());
        }
        self.skipped(name, reason)
    }

    /// Prints why there is no value.
    pub(crate) fn skipped(&mut self, name: &str, reason: &str) -> io::Result<()> {
        let Some(figure) = figure(name).filter(|_| self.wants(&[name])) else {
            return Ok(());
        };
        self.skipped += 1;
        self.print(figure, "skipped", None, reason)
    }

    fn print(
        &mut self,
        figure: &'static Figure,
        outcome: &str,
        value: Option<f64>,
        detail: &str,
    ) -> io::Result<()> {
        self.printed.push(figure.name);
        let load = procfs::load_average();
        let mut stdout = io::stdout();
        if self.json {
            let mut object = json!({
                "name": figure.name, "what": figure.what, "unit": figure.unit, "outcome": outcome,
                "value": value, "detail": detail, "load_1min": load,
            });
            let (least, most) = match figure.target {
                Target::AtMost(limit) => (None, Some(limit)),
                Target::AtLeast(limit) => (Some(limit), None),
                Target::Between(least, most) => (Some(least), Some(most)),
            };
            for (bound, limit) in [("at_least", least), ("at_most", most)] {
                if let Some(limit) = limit {
                    object[bound] = limit.into();
                }
            }
            writeln!(stdout, "{object}")?;
        } else {
            let mark = match outcome {
                "met" => '✓',
                "missed" => '✗',
                _ => '–',
            };
            let value = value.map_or_else(
                || "skipped".to_owned(),
                |value| format!("{value:.2} {}", figure.unit),
            );
            let target = target(figure);
            writeln!(
                stdout,
                "{mark} {:<12} {value:<22} {target:<22} {}",
                figure.name, figure.what
            )?;
            let load = load.map_or_else(String::new, |load| format!("; load {load:.1}"));
            writeln!(stdout, "               {detail}{load}")?;
        }
        stdout.flush()
    }

    /// The last line; how many were missed.
    pub(crate) fn finish(&self) -> io::Result<usize> {
        if !self.json {
            let (missed, skipped) = (self.missed, self.skipped);
            writeln!(io::stdout(), "\n{missed} missed, {skipped} skipped")?;
        }
        Ok(self.missed)
    }
}

fn target(figure: &Figure) -> String {
    match figure.target {
        Target::AtMost(limit) => format!("≤ {limit} {}", figure.unit),
        Target::AtLeast(limit) => format!("≥ {limit} {}", figure.unit),
        Target::Between(least, most) => format!("{least}–{most} {}", figure.unit),
    }
}

/// `--list`.
pub(crate) fn list() -> io::Result<()> {
    let mut stdout = io::stdout();
    for figure in &crate::catalogue::FIGURES {
        writeln!(
            stdout,
            "{:<12} {:<22} {}",
            figure.name,
            target(figure),
            figure.what
        )?;
    }
    Ok(())
}

/// The one in the middle, of several runs; 0 of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
