//! How a process ends: well, having failed, or not having understood what was asked.

use std::process::ExitCode;

/// Why the process ends other than well.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for cannot be: exit code 2.
    Usage(anyhow::Error),
    /// It was tried and failed: exit code 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// Says it on stderr.
    #[expect(
        clippy::print_stderr,
        reason = "the last word of a command belongs on stderr"
    )]
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                let said = said_once(error);
                eprintln!("error: {said}\n\nFor more information, try '--help'.");
                ExitCode::from(2)
            }
            Self::Failed(error) => {
                eprintln!("error: {}", said_once(error));
                ExitCode::from(1)
            }
        }
    }
}

/// The error and its causes, except those that a message before them has told already.
fn said_once(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            said if said.contains(&cause) => said.to_owned(),
            said => format!("{said}: {cause}"),
        }
    })
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
