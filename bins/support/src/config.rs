//! A config file as more of the command line: flags beat the environment, which beats the file, which beats defaults.
//!
//! A setting's name is its flag's without the dashes, with `_` or `-` between words, so that `--help` is the file's
//! documentation too.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser, value_parser};
use serde_json::{Map, Value};

use crate::Failure;

/// The flag that names the file, and cannot be in it.
const CONFIG: &str = "config";

/// What the program was asked for. Ends it, as clap does, where that is help or cannot be.
///
/// # Errors
/// The config file cannot be read, or has something that no flag is called.
pub fn parse_with_config<A: Parser>() -> Result<A, Failure> {
    let command = command::<A>();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let all = with_config(&command, arguments).map_err(Failure::Usage)?;
    let matches = command.get_matches_from(all);
    A::from_arg_matches(&matches).map_err(|error| Failure::Usage(error.into()))
}

/// The program's flags, and `--config`.
fn command<A: Parser>() -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .env("FRAMEWAY_CONFIG")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("TOML or YAML file with settings of the same names as these flags; flags and environment beat it");
    A::command().arg(config)
}

/// The arguments with those of the config file that they name, if they name one.
fn with_config(command: &Command, arguments: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
    // What is wrong with them is said when all are together.
    let partial = command.clone().ignore_errors(true);
    let Ok(given) = partial.try_get_matches_from(&arguments) else {
        return Ok(arguments);
    };
    let file = given.try_get_one::<PathBuf>(CONFIG).ok().flatten();
    let Some(path) = file else {
        return Ok(arguments);
    };
    let shown = path.display();
    let mut all: Vec<OsString> = arguments.first().cloned().into_iter().collect();
    for (name, value) in read(path)? {
        let Some(flag) = flag_named(command, &name) else {
            let known: Vec<_> = flags(command).filter_map(Arg::get_long).collect();
            bail!(
                "the config file {shown} has {name:?}, which is no setting; there are {}",
                known.join(", ")
            );
        };
        if !is_given(&given, flag) {
            let added = arguments_for(flag, &value);
            all.extend(added.with_context(|| format!("the config file {shown}: {name}"))?);
        }
    }
    all.extend(arguments.into_iter().skip(1));
    Ok(all)
}

fn read(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the config file {shown}"))?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let unexpected = || format!("the config file {shown} is not as expected");
    match extension.to_ascii_lowercase().as_str() {
        "yaml" | "yml" => serde_saphyr::from_str(&text).with_context(unexpected),
        "toml" => toml::from_str(&text).with_context(unexpected),
        other => bail!("the config file {shown} ends in {other:?}; name it .toml, .yaml or .yml"),
    }
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|flag| flag.get_long() != Some(CONFIG))
}

fn flag_named<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let long = name.replace('_', "-");
    flags(command).find(|flag| flag.get_long() == Some(&long))
}

fn is_given(given: &ArgMatches, flag: &Arg) -> bool {
    let source = given.value_source(flag.get_id().as_str());
    matches!(
        source,
        Some(ValueSource::CommandLine | ValueSource::EnvVariable)
    )
}

/// `--flag=value`, once for each value.
fn arguments_for(flag: &Arg, value: &Value) -> anyhow::Result<Vec<OsString>> {
    let long = flag.get_long().unwrap_or_default();
    let takes_value = matches!(flag.get_action(), ArgAction::Set | ArgAction::Append);
    let one = |value: &Value| match value {
        Value::String(text) => Ok(OsString::from(format!("--{long}={text}"))),
        Value::Number(number) => Ok(OsString::from(format!("--{long}={number}"))),
        other => Err(anyhow!("{other} is neither text nor a number")),
    };
    match value {
        Value::Bool(wanted) if !takes_value => Ok(wanted
            .then(|| OsString::from(format!("--{long}")))
            .into_iter()
            .collect()),
        other if !takes_value => Err(anyhow!("{other} is neither true nor false")),
        Value::Array(values) => values.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::FromArgMatches as _;

    #[derive(Debug, PartialEq, Parser)]
    struct Args {
        #[arg(long)]
        to: String,
        #[arg(long, default_value_t = 85)]
        quality: u8,
        #[arg(long = "processor")]
        processors: Vec<String>,
        #[arg(long)]
        batch_wait: Option<String>,
        #[arg(long)]
        insecure: bool,
    }

    fn args(name: &str, text: &str, given: &[&str]) -> Result<Args, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let mut arguments = vec![OsString::from("program"), "--config".into(), file.into()];
        arguments.extend(given.iter().map(OsString::from));
        let command = command::<Args>();
        let all = with_config(&command, arguments).map_err(|e| format!("{e:#}"))?;
        let matches = command
            .try_get_matches_from(all)
            .map_err(|e| e.to_string())?;
        Args::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_fills_in_what_the_command_line_leaves_out() {
        let expected = Args {
            to: "http://a".to_owned(),
            quality: 70,
            processors: vec!["stats".to_owned(), "dhash".to_owned()],
            batch_wait: Some("2ms".to_owned()),
            insecure: true,
        };
        let toml = "to = 'http://b'\nquality = 70\nprocessor = ['stats', 'dhash']\nbatch_wait = '2ms'\ninsecure = true";
        assert_eq!(
            args("c.toml", toml, &["--to", "http://a"]).unwrap(),
            expected
        );
        let yaml = "to: http://a\nquality: 10\nprocessor:\n  - stats\n  - dhash\nbatch-wait: 2ms\ninsecure: true";
        assert_eq!(args("c.yaml", yaml, &["--quality=70"]).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_names_the_file_and_the_setting() {
        for (name, text, said) in [
            ("c.toml", "speed = 1", "no setting; there are to, quality"),
            ("c.toml", "config = 'x'", "no setting"),
            (
                "c.toml",
                "insecure = 'yes'",
                "insecure: \"yes\" is neither true nor false",
            ),
            (
                "c.toml",
                "quality = [[1]]",
                "quality: [1] is neither text nor a number",
            ),
            ("c.toml", "to = ", "c.toml is not as expected"),
            ("c.ini", "", "name it .toml, .yaml or .yml"),
            ("c.yaml", "quality: 300\nto: x", "'300' for '--quality"),
        ] {
            let error = args(name, text, &[]).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
