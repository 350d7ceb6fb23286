//! turbojpeg is never built without SIMD: it would be five times slower, and say nothing.

use anyhow::Result;

use super::outcome::Outcome;
use super::{Check, Context};

pub(super) const CHECK: Check = Check {
    name: "simd",
    about: "turbojpeg fails to build rather than build without SIMD",
    remedy: "give turbojpeg the feature `require-simd` in the root Cargo.toml",
    compiles: false,
    run,
};

const FEATURE: &str = "require-simd";

fn run(context: &Context) -> Result<Outcome> {
    let mut users = 0;
    let mut findings = Vec::new();
    for package in &context.workspace.packages {
        for dependency in package
            .dependencies
            .iter()
            .filter(|it| it.name == "turbojpeg")
        {
            users += 1;
            if !dependency.features.iter().any(|feature| feature == FEATURE) {
                findings.push(format!(
                    "{} uses turbojpeg without the feature {FEATURE}",
                    package.name
                ));
            }
        }
    }
    if users == 0 {
        findings.push(
            "no package uses turbojpeg any more: this check has nothing to look at".to_owned(),
        );
    }
    Ok(Outcome::from_findings(findings))
}
