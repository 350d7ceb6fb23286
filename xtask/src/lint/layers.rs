//! Who may depend on whom: the table of docs/architecture.md, checked against cargo metadata.

use anyhow::Result;

use super::outcome::Outcome;
use super::{Check, Context};
use crate::workspace::{Dependency, Package};

pub(super) const CHECK: Check = Check {
    name: "layers",
    about: "crates depend only on the layers below them",
    remedy: "move the code to the crate that may know both, or change the table in xtask/src/lint/layers.rs \
             and docs/architecture.md together",
    compiles: false,
    run,
};

/// Each library crate and the crates of ours it may use, in data-path order.
const MAY_USE: &[(&str, &[&str])] = &[
    ("frame-buffer", &[]),
    ("progressive-loader", &[]),
    ("datachannel-transport", &[]),
    ("jpeg-optimizer", &["frame-buffer"]),
    ("frame-pipeline", &["frame-buffer"]),
    (
        "media-source",
        &["frame-buffer", "progressive-loader", "jpeg-optimizer"],
    ),
    ("webrtc-session", &["datachannel-transport"]),
    ("quic-session", &["datachannel-transport"]),
    (
        "stream-service",
        &[
            "frame-buffer",
            "progressive-loader",
            "media-source",
            "jpeg-optimizer",
            "frame-pipeline",
            "datachannel-transport",
            "webrtc-session",
            "quic-session",
        ],
    ),
    ("testkit", &[]),
];

/// Dependencies that only some of our packages may name, whatever the kind, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    (
        "str0m",
        &["webrtc-session"],
        "one crate knows the WebRTC library, so that it can be replaced",
    ),
    (
        "quinn-udp",
        &["webrtc-session", "testkit"],
        "sockets are the session's, and the bad link's",
    ),
    (
        "quinn",
        &["quic-session"],
        "one crate knows the QUIC library, so that it can be replaced",
    ),
    (
        "quinn-proto",
        &["quic-session"],
        "one crate knows the QUIC library, so that it can be replaced",
    ),
    (
        "web-transport-quinn",
        &["quic-session"],
        "one crate knows the QUIC library, so that it can be replaced",
    ),
    (
        "axum",
        &["stream-service", "frameway-benches"],
        "HTTP is the controller's (and of the peers it is measured against)",
    ),
    ("ipfs-api-backend-hyper", &[], "it does not resolve afresh"),
];

/// What a program's tests may name all the same: to treat the built binary as no peer of ours would.
const TESTS_MAY: &[(&str, &str)] = &[
    ("frame-sender", "quinn"),
    ("frame-sender", "web-transport-quinn"),
];

/// For main programs and our own tools; a library's errors are typed.
const BINARIES_ONLY: &str = "anyhow";
/// For tests alone, and for the tools that are not published.
const DEV_ONLY: &str = "testkit";
/// Those tools: the measurements, and the commands, one of which lets a person use the tests' bad link.
const TOOLS: [&str; 2] = ["frameway-benches", "xtask"];

fn run(context: &Context) -> Result<Outcome> {
    let mut findings = Vec::new();
    for package in &context.workspace.packages {
        let is_library = package.is_library_crate(&context.workspace);
        findings.extend(
            package
                .dependencies
                .iter()
                .filter_map(|it| reserved(package, it)),
        );
        if is_library {
            findings.extend(library(package));
        }
        findings.extend(
            package
                .dependencies
                .iter()
                .filter_map(|it| outside_tests(package, it)),
        );
    }
    Ok(Outcome::from_findings(findings))
}

fn library(package: &Package) -> Vec<String> {
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!("{} is in no layer", package.name)];
    };
    let is_ours = |name: &str| MAY_USE.iter().any(|(ours, _)| *ours == name);
    package
        .dependencies
        .iter()
        .filter(|dependency| !dependency.is_dev())
        .filter(|it| {
            it.name == BINARIES_ONLY || is_ours(&it.name) && !allowed.contains(&it.name.as_str())
        })
        .filter(|it| it.name != DEV_ONLY)
        .map(|dependency| format!("{} must not depend on {}", package.name, dependency.name))
        .collect()
}

fn outside_tests(package: &Package, dependency: &Dependency) -> Option<String> {
    let is_allowed = dependency.is_dev() || TOOLS.contains(&package.name.as_str());
    (dependency.name == DEV_ONLY && !is_allowed)
        .then(|| format!("{} uses {DEV_ONLY} outside its tests", package.name))
}

fn reserved(package: &Package, dependency: &Dependency) -> Option<String> {
    let (name, owners, why) = RESERVED
        .iter()
        .find(|(name, ..)| *name == dependency.name)?;
    let in_tests = || TESTS_MAY.contains(&(package.name.as_str(), dependency.name.as_str()));
    if owners.contains(&package.name.as_str()) || dependency.is_dev() && in_tests() {
        return None;
    }
    Some(format!("{} must not depend on {name}: {why}", package.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind, "features": [] }))
            .collect();
        serde_json::from_value(serde_json::json!({
            "name": name,
            "version": "0.1.0",
            "manifest_path": format!("/checkout/crates/{name}/Cargo.toml"),
            "dependencies": dependencies,
            "targets": [],
            "publish": null,
        }))
        .unwrap()
    }

    #[test]
    fn a_lower_layer_must_not_use_a_higher_one() {
        let upward = package("frame-buffer", &[("media-source", None), ("serde", None)]);
        assert_eq!(
            library(&upward),
            ["frame-buffer must not depend on media-source"]
        );
        let downward = package(
            "media-source",
            &[("frame-buffer", None), ("testkit", Some("dev"))],
        );
        assert!(library(&downward).is_empty());
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        assert_eq!(
            library(&package("new-crate", &[])),
            ["new-crate is in no layer"]
        );
    }

    #[test]
    fn libraries_have_typed_errors() {
        assert_eq!(
            library(&package("frame-buffer", &[("anyhow", None)])).len(),
            1
        );
        assert!(library(&package("frame-buffer", &[("anyhow", Some("dev"))])).is_empty());
    }

    #[test]
    fn a_programs_tests_may_speak_quic_badly_and_the_program_may_not_know_it() {
        let found = |name, kind| {
            let user = package(name, &[("quinn", kind)]);
            reserved(&user, &user.dependencies[0]).is_some()
        };
        assert!(found("frame-sender", None) && found("stream-service", Some("dev")));
        assert!(!found("frame-sender", Some("dev")) && !found("quic-session", None));
    }

    #[test]
    fn the_tests_instruments_are_for_tests_and_tools() {
        let found = |name, kind| {
            let user = package(name, &[("testkit", kind)]);
            outside_tests(&user, &user.dependencies[0]).is_some()
        };
        assert!(found("media-source", None) && found("stream-server", Some("build")));
        assert!(!found("media-source", Some("dev")) && !found("xtask", None));
    }

    #[test]
    fn reserved_dependencies_are_held_back_in_tests_too() {
        let user = package("stream-service", &[("str0m", Some("dev"))]);
        assert!(reserved(&user, &user.dependencies[0]).is_some());
        let owner = package("webrtc-session", &[("str0m", None)]);
        assert!(reserved(&owner, &owner.dependencies[0]).is_none());
    }
}
