//! The programs that cargo cannot bring: how each is recognised, why it is needed, what installs it.

use std::env;
use std::path::PathBuf;

use super::Purpose;
use crate::process::find_program;

/// One program and the packages it comes in.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) is_there: fn() -> bool,
    /// Debian and Ubuntu packages.
    pub(crate) apt: &'static [&'static str],
    /// Fedora packages.
    pub(crate) dnf: &'static [&'static str],
    /// Homebrew formulae; empty where the Xcode command-line tools have it.
    pub(crate) brew: &'static [&'static str],
    needed: Needed,
}

#[derive(PartialEq, Eq)]
enum Needed {
    Always,
    ForTests,
}

/// Names a Chromium that is not on PATH; the browser tests read it too.
pub(crate) const BROWSER_VARIABLE: &str = "FRAMEWAY_CHROMIUM";

/// The tools for `purpose`.
pub(crate) fn needed_for(purpose: Purpose) -> impl Iterator<Item = &'static Tool> {
    let tests = matches!(purpose, Purpose::Test | Purpose::Bench);
    TOOLS
        .iter()
        .filter(move |tool| tests || tool.needed == Needed::Always)
}

/// The browser that the tests drive: the variable, then PATH, then where macOS keeps applications.
pub(crate) fn browser() -> Option<PathBuf> {
    const NAMES: [&str; 4] = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    const MACOS: [&str; 2] = [
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ];
    if let Some(named) = env::var_os(BROWSER_VARIABLE) {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    NAMES
        .iter()
        .find_map(|name| find_program(name))
        .or_else(|| MACOS.iter().map(PathBuf::from).find(|path| path.is_file()))
}

/// A compiler is found by `$CC`/`$CXX` as the `cc` crate does it, or by one of its usual names.
fn compiler(variable: &str, names: &[&str]) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
        || names.iter().any(|name| find_program(name).is_some())
}

static TOOLS: [Tool; 8] = [
    Tool {
        name: "C compiler",
        why: "compiles the C of aws-lc (TLS, SHA-256) and turbojpeg",
        is_there: || compiler("CC", &["cc", "gcc", "clang", "cl"]),
        apt: &["gcc", "libc6-dev"],
        dnf: &["gcc"],
        brew: &[],
        needed: Needed::Always,
    },
    Tool {
        name: "C++ compiler",
        why: "compiles openh264, the H.264 decoder",
        is_there: || compiler("CXX", &["c++", "g++", "clang++", "cl"]),
        apt: &["g++"],
        dnf: &["gcc-c++"],
        brew: &[],
        needed: Needed::Always,
    },
    Tool {
        name: "make",
        why: "what cmake builds with",
        is_there: || find_program("make").is_some() || find_program("ninja").is_some(),
        apt: &["make"],
        dnf: &["make"],
        brew: &[],
        needed: Needed::Always,
    },
    Tool {
        name: "cmake",
        why: "builds turbojpeg",
        is_there: || find_program("cmake").is_some(),
        apt: &["cmake"],
        dnf: &["cmake"],
        brew: &["cmake"],
        needed: Needed::Always,
    },
    Tool {
        name: "nasm",
        why: "the SIMD code of turbojpeg and openh264: without it JPEG is five times slower",
        is_there: || find_program("nasm").is_some(),
        apt: &["nasm"],
        dnf: &["nasm"],
        brew: &["nasm"],
        needed: Needed::Always,
    },
    Tool {
        name: "pkg-config",
        why: "lets build scripts find system libraries",
        is_there: || find_program("pkg-config").is_some(),
        apt: &["pkg-config"],
        dnf: &["pkgconf-pkg-config"],
        brew: &["pkgconf"],
        needed: Needed::Always,
    },
    Tool {
        name: "chromium",
        why: "the browser that the tests drive (FRAMEWAY_CHROMIUM=PATH names another Chromium or Chrome)",
        is_there: || browser().is_some(),
        // Without a font, the page's text in screenshots is boxes.
        apt: &["chromium", "fonts-dejavu-core"],
        dnf: &["chromium"],
        brew: &["--cask", "google-chrome"],
        needed: Needed::ForTests,
    },
    Tool {
        name: "ffmpeg",
        why: "makes the test videos, and is the peer that decodes what we encode",
        is_there: || find_program("ffmpeg").is_some(),
        apt: &["ffmpeg"],
        dnf: &["ffmpeg-free"],
        brew: &["ffmpeg"],
        needed: Needed::ForTests,
    },
];
