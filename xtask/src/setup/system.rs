//! The machine's package manager: whether we may use it, and the command a person would type.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::tools::Tool;
use crate::process;

/// How packages get onto this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Debian and its kin.
    Apt(Rights),
    /// Ubuntu and its kin: the same, but for Chromium, which is a snap there.
    Ubuntu(Rights),
    /// Fedora and its kin.
    Dnf,
    /// macOS with or without Homebrew.
    Brew,
    /// Anything else.
    Unknown,
}

/// What it takes to become root here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// We are root.
    Root,
    /// `sudo` asks for no password.
    Sudo,
    /// Neither.
    None,
}

impl System {
    /// Looks at this machine.
    pub(crate) fn detect() -> Self {
        if cfg!(target_os = "macos") {
            return Self::Brew;
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        match Family::of(&release) {
            Family::Debian if process::find_program("apt-get").is_some() => {
                Self::Apt(Rights::detect())
            }
            Family::Ubuntu if process::find_program("apt-get").is_some() => {
                Self::Ubuntu(Rights::detect())
            }
            Family::Fedora => Self::Dnf,
            _ => Self::Unknown,
        }
    }

    /// Whether [`System::install`] may be called.
    pub(crate) fn can_install(self) -> bool {
        matches!(
            self,
            Self::Apt(Rights::Root | Rights::Sudo) | Self::Ubuntu(Rights::Root | Rights::Sudo)
        )
    }

    /// One command (or sentence) that brings all of `tools`.
    pub(crate) fn how_to_install(self, tools: &[&Tool]) -> String {
        let debs = self.debs(tools).join(" ");
        match self {
            Self::Apt(_) | Self::Ubuntu(_) => format!("install them: sudo apt-get install {debs}"),
            Self::Dnf => {
                let packages: Vec<_> = tools.iter().flat_map(|tool| tool.dnf).copied().collect();
                format!("install them: sudo dnf install {}", packages.join(" "))
            }
            Self::Brew => brew_advice(tools),
            Self::Unknown => format!(
                "install them with your system's package manager (Debian calls them {debs})"
            ),
        }
    }

    /// Installs by apt-get, its progress on stderr.
    pub(crate) fn install(self, tools: &[&Tool]) -> Result<()> {
        let debs = self.debs(tools);
        // The lists of a fresh machine are empty or old: fetch them once. One mirror that does not
        // answer is no reason to stop; the installation says what could not be found.
        if let Err(error) = process::run(&mut self.apt_get(&["update"])) {
            eprintln!("{error:#}; going on with the package lists there are");
        }
        let mut install = self.apt_get(&["install", "--yes", "--no-install-recommends"]);
        process::run(install.args(&debs)).with_context(|| {
            format!(
                "cannot install {}; {}",
                debs.join(" "),
                self.how_to_install(tools)
            )
        })
    }

    /// What apt calls `tools` here.
    fn debs(self, tools: &[&Tool]) -> Vec<&'static str> {
        let all = tools.iter().flat_map(|tool| tool.apt).copied();
        match self {
            // The package of this name brings the snap.
            Self::Ubuntu(_) => all
                .map(|name| {
                    if name == "chromium" {
                        "chromium-browser"
                    } else {
                        name
                    }
                })
                .collect(),
            _ => all.collect(),
        }
    }

    fn apt_get(self, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Apt(Rights::Sudo) | Self::Ubuntu(Rights::Sudo) => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
                sudo
            }
            _ => {
                let mut apt = Command::new("apt-get");
                apt.env("DEBIAN_FRONTEND", "noninteractive");
                apt
            }
        };
        // Our own stdout is for results: the first line of `demo` is an address.
        let stderr = std::io::stderr();
        command
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(stderr);
        command
    }
}

fn brew_advice(tools: &[&Tool]) -> String {
    let mut lines = Vec::new();
    if tools.iter().any(|tool| tool.brew.is_empty()) {
        lines.push("install the Xcode command-line tools: xcode-select --install".to_owned());
    }
    let (casks, formulae): (Vec<&Tool>, Vec<&Tool>) = tools
        .iter()
        .copied()
        .filter(|tool| !tool.brew.is_empty())
        .partition(|tool| tool.brew[0] == "--cask");
    if !formulae.is_empty() {
        let names: Vec<_> = formulae
            .iter()
            .flat_map(|tool| tool.brew.iter().copied())
            .collect();
        lines.push(format!(
            "install by Homebrew: brew install {}",
            names.join(" ")
        ));
    }
    for cask in casks {
        lines.push(format!(
            "install by Homebrew: brew install {}",
            cask.brew.join(" ")
        ));
    }
    lines.join("\n")
}

impl Rights {
    fn detect() -> Self {
        if process::stdout(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
            Self::Root
        } else if process::succeeds(Command::new("sudo").args(["-n", "true"])) {
            Self::Sudo
        } else {
            Self::None
        }
    }
}

/// A distribution's kin, by `ID` and `ID_LIKE` of os-release(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ubuntu,
    Debian,
    Fedora,
    Other,
}

impl Family {
    fn of(release: &str) -> Self {
        let is = |family: &str| {
            release
                .lines()
                .filter_map(|line| {
                    line.strip_prefix("ID=")
                        .or_else(|| line.strip_prefix("ID_LIKE="))
                })
                .flat_map(|value| value.trim_matches('"').split(' '))
                .any(|name| name == family)
        };
        if is("ubuntu") {
            Self::Ubuntu
        } else if is("debian") {
            Self::Debian
        } else if is("fedora") || is("rhel") {
            Self::Fedora
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Purpose, tools};
    use super::*;

    #[test]
    fn distributions_are_known_by_their_kin() {
        assert_eq!(
            Family::of("NAME=\"Debian GNU/Linux\"\nID=debian\n"),
            Family::Debian
        );
        assert_eq!(
            Family::of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            Family::Ubuntu
        );
        assert_eq!(
            Family::of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            Family::Fedora
        );
        assert_eq!(Family::of("ID=alpine\n"), Family::Other);
        assert_eq!(Family::of(""), Family::Other);
    }

    #[test]
    fn only_apt_with_rights_installs() {
        assert!(System::Apt(Rights::Root).can_install());
        assert!(System::Ubuntu(Rights::Sudo).can_install());
        for system in [
            System::Apt(Rights::None),
            System::Dnf,
            System::Brew,
            System::Unknown,
        ] {
            assert!(!system.can_install(), "{system:?}");
        }
    }

    #[test]
    fn homebrew_keeps_formulae_casks_and_xcode_apart() {
        let tools: Vec<_> = tools::needed_for(Purpose::Test).collect();
        let text = System::Brew.how_to_install(&tools);
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "install the Xcode command-line tools: xcode-select --install",
                "install by Homebrew: brew install cmake nasm pkgconf ffmpeg",
                "install by Homebrew: brew install --cask google-chrome",
            ]
        );
    }
}
