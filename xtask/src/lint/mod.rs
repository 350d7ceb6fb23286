//! lint
use crate::{args, setup::Policy, workspace::Workspace};
use anyhow::Result;
use std::process::ExitCode;
pub(crate) fn run(_w: Workspace, _a: &args::Lint, _p: Policy) -> Result<ExitCode> {
    anyhow::bail!("not yet")
}
