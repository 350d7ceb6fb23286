//! Which congestion controller a connection has: what `--cc` says, and the factory that quinn takes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quinn_proto::congestion::{BbrConfig, ControllerFactory, CubicConfig};

use super::fair::FairConfig;

/// How a connection decides what may be in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CongestionControl {
    /// Ours: a loss counts only where a queue stands. Bears random loss, shares a bottleneck with TCP.
    #[default]
    Fair,
    /// quinn's CUBIC (RFC 8312): shares a bottleneck, collapses under random loss.
    Cubic,
    /// quinn's BBR (version 1, experimental there): bears random loss, starves TCP beside it.
    Bbr,
}

impl CongestionControl {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Fair, Self::Cubic, Self::Bbr];

    /// What `quinn::TransportConfig::congestion_controller_factory` takes, with the defaults of each.
    #[must_use]
    pub fn factory(self) -> Arc<dyn ControllerFactory + Send + Sync> {
        match self {
            Self::Fair => Arc::new(FairConfig::default()),
            Self::Cubic => Arc::new(CubicConfig::default()),
            Self::Bbr => Arc::new(BbrConfig::default()),
        }
    }

    /// As the command line spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fair => "fair",
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }
}

impl fmt::Display for CongestionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CongestionControl {
    type Err = UnknownControl;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|control| control.name() == name)
            .ok_or_else(|| UnknownControl(name.to_owned()))
    }
}

/// No congestion controller has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no congestion control is called {0:?}: say fair, cubic or bbr")]
pub struct UnknownControl(pub String);
