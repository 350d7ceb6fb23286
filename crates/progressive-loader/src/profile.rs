//! The two shapes in which a file becomes UnixFS blocks, as Kubo names them.
//!
//! Chosen by the caller of [`Store::add_file`](crate::driver::Store::add_file); decides every CID.

use std::fmt;
use std::str::FromStr;

/// How a file is cut and linked. The same bytes under the same profile have the same CID everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// CIDv1, raw leaves of 1 MiB, 1024 links per node (IPIP-499's `unixfs-v1-2025`). The default.
    #[default]
    UnixfsV1_2025,
    /// CIDv0, leaves of 256 KiB wrapped in dag-pb, 174 links per node: Kubo's default until 2025.
    LegacyCidV0,
}

impl Profile {
    /// Every profile, the default first.
    pub const ALL: [Self; 2] = [Self::UnixfsV1_2025, Self::LegacyCidV0];

    /// The name Kubo gives the profile.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnixfsV1_2025 => "unixfs-v1-2025",
            Self::LegacyCidV0 => "legacy-cid-v0",
        }
    }

    /// Bytes of content in a full leaf.
    #[must_use]
    pub fn leaf_bytes(self) -> u64 {
        match self {
            Self::UnixfsV1_2025 => 1 << 20,
            Self::LegacyCidV0 => 256 << 10,
        }
    }

    /// The most links one inner node has.
    #[must_use]
    pub fn links_per_node(self) -> usize {
        match self {
            Self::UnixfsV1_2025 => 1024,
            Self::LegacyCidV0 => 174,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile {0:?}: use unixfs-v1-2025 (the default) or legacy-cid-v0")]
pub struct ProfileError(String);

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == text);
        found.ok_or_else(|| ProfileError(text.to_owned()))
    }
}
