//! Processors by name: `stats`, `sleep:75ms`, `exec:COMMAND`.

use std::sync::Arc;
use std::time::Duration;

use super::each::{Each, NONE};
use super::{dhash::DHASH, driver, frame_number::FRAME_NUMBER, stats::STATS};
use crate::ProcessorFactory;

/// How each processor is asked for, and what it does; for a program's help.
pub const BUILTIN_PROCESSORS: &[(&str, &str)] = &[
    (
        "stats",
        "luma mean, sharpness, motion against the frame before",
    ),
    ("dhash", "perceptual hash, 64 bits"),
    ("frame-number", "the number that the test pattern carries"),
    ("none", "checks and counts"),
    (
        "sleep:DURATION[/batch]",
        "sleeps per frame or per batch, in a model's place",
    ),
    (
        "exec:COMMAND",
        "frames on the command's stdin, results on its stdout, as msgpack",
    ),
    (
        "onnx:MODEL.onnx",
        "runs a model on the CPU; takes the feature `onnx`",
    ),
];

/// Longest sleep: more is a mistake in the unit.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// Why there is no processor of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorSpecError {
    /// Nothing has that name.
    #[error("no processor is called {name:?}; there are {known}", known = known())]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// It takes an argument.
    #[error("processor {name} takes an argument: {usage}")]
    MissingArgument {
        /// The processor.
        name: String,
        /// How it is written.
        usage: &'static str,
    },
    /// It takes no argument.
    #[error("processor {name} takes no argument, but was given {argument:?}: write {name}")]
    UnexpectedArgument {
        /// The processor.
        name: String,
        /// The argument as given.
        argument: String,
    },
    /// Its argument is none that it takes.
    #[error("processor {name} cannot take {argument:?}: {reason}")]
    Argument {
        /// The processor.
        name: String,
        /// The argument as given.
        argument: String,
        /// What is wrong and what to write.
        reason: String,
    },
    /// This build lacks it.
    #[error("processor {name} is not in this build: build with `--features {feature}`")]
    NotBuilt {
        /// The processor.
        name: String,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
}

fn known() -> String {
    let names: Vec<_> = BUILTIN_PROCESSORS.iter().map(|(usage, _)| *usage).collect();
    names.join(", ")
}

/// The processor that `spec` asks for, as [`BUILTIN_PROCESSORS`] writes them. A model is read and
/// prepared here; a command is not started yet.
///
/// # Errors
/// [`ProcessorSpecError`] when there is none of that name, or its argument is not what it takes.
pub fn builtin(spec: &str) -> Result<Arc<dyn ProcessorFactory>, ProcessorSpecError> {
    let (name, argument) = match spec.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (spec, None),
    };
    match name {
        "stats" => each(STATS, argument),
        "dhash" => each(DHASH, argument),
        "frame-number" => each(FRAME_NUMBER, argument),
        "none" => each(NONE, argument),
        "sleep" => sleep(required(name, argument)?),
        "exec" => Ok(Arc::new(driver::Exec::new(required(name, argument)?))),
        "onnx" => onnx(required(name, argument)?),
        _ => Err(ProcessorSpecError::Unknown {
            name: name.to_owned(),
        }),
    }
}

fn each(
    each: Each,
    argument: Option<&str>,
) -> Result<Arc<dyn ProcessorFactory>, ProcessorSpecError> {
    match argument {
        None => Ok(Arc::new(each)),
        Some(argument) => Err(ProcessorSpecError::UnexpectedArgument {
            name: each.name.to_owned(),
            argument: argument.to_owned(),
        }),
    }
}

fn required<'a>(name: &str, argument: Option<&'a str>) -> Result<&'a str, ProcessorSpecError> {
    let given = argument.filter(|argument| !argument.trim().is_empty());
    given.ok_or_else(|| {
        let usages = BUILTIN_PROCESSORS.iter().map(|(usage, _)| *usage);
        let mut own = usages.filter(|usage| usage.split(':').next() == Some(name));
        ProcessorSpecError::MissingArgument {
            name: name.to_owned(),
            usage: own.next().unwrap_or_default(),
        }
    })
}

fn sleep(argument: &str) -> Result<Arc<dyn ProcessorFactory>, ProcessorSpecError> {
    let (text, per_batch) = match argument.strip_suffix("/batch") {
        Some(text) => (text, true),
        None => (argument, false),
    };
    match duration(text).filter(|duration| *duration <= MAX_SLEEP) {
        Some(duration) => Ok(Arc::new(driver::Sleep::new(duration, per_batch))),
        None => Err(ProcessorSpecError::Argument {
            name: "sleep".to_owned(),
            argument: argument.to_owned(),
            reason:
                "write a time of at most an hour such as 75ms, 500us or 1.5s, and /batch after it \
                     to sleep once per batch"
                    .to_owned(),
        }),
    }
}

/// A number and a unit: `us`, `ms`, `s`, `m`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(feature = "onnx")]
fn onnx(path: &str) -> Result<Arc<dyn ProcessorFactory>, ProcessorSpecError> {
    let model = driver::Onnx::load(path).map_err(|reason| ProcessorSpecError::Argument {
        name: "onnx".to_owned(),
        argument: path.to_owned(),
        reason,
    })?;
    Ok(Arc::new(model))
}

#[cfg(not(feature = "onnx"))]
fn onnx(_path: &str) -> Result<Arc<dyn ProcessorFactory>, ProcessorSpecError> {
    Err(ProcessorSpecError::NotBuilt {
        name: "onnx".to_owned(),
        feature: "onnx",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(spec: &str) -> String {
        builtin(spec)
            .err()
            .map(|it| it.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_with_a_name_or_argument_is_said() {
        let unknown = error("stat");
        for part in ["\"stat\"", "stats", "frame-number", "exec:COMMAND"] {
            assert!(unknown.contains(part), "{unknown}");
        }
        assert!(error("stats:3").contains("takes no argument"));
        assert!(error("sleep").contains("sleep:DURATION[/batch]"));
        assert!(error("exec: ").contains("exec:COMMAND"));
        for wrong in [
            "sleep:75",
            "sleep:ms",
            "sleep:-1s",
            "sleep:61m",
            "sleep:1.2.3s",
            "sleep:1s/frame",
        ] {
            assert!(error(wrong).contains("such as 75ms"), "{wrong}");
        }
    }

    #[test]
    fn every_name_that_is_listed_is_known() {
        for (usage, _) in BUILTIN_PROCESSORS {
            let name = usage.split(':').next().unwrap_or_default();
            assert!(!error(name).contains("is called"), "{name}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, micros) in [
            ("75ms", 75_000),
            ("500us", 500),
            ("1.5s", 1_500_000),
            ("1m", 60_000_000),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_micros(micros)),
                "{text}"
            );
        }
    }

    #[cfg(not(feature = "onnx"))]
    #[test]
    fn without_the_feature_the_error_names_it() {
        assert!(error("onnx:model.onnx").contains("--features onnx"));
    }
}
