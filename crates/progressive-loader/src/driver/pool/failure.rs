//! Why an origin's answer is no use.

use crate::error::{BlockError, Cause, Phase};
use crate::origin::OriginError;
use std::sync::Arc;
use std::time::Duration;

/// What one request came to.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// Not the block its CID names.
    #[error("it sent something else than the block ({0:?}), and is asked last from now on")]
    Invalid(BlockError),
    #[error("nothing came for {} s", .0.as_secs_f32())]
    Stalled(Duration),
}

impl Failure {
    /// Whether the same origin may still give the block.
    pub(super) fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Origin(OriginError::NotFound | OriginError::Refused { .. })
            | Self::Invalid(_) => false,
            Self::Origin(_) | Self::Stalled(_) => true,
        }
    }

    /// That the origin has not got it.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Origin(OriginError::NotFound))
    }

    /// When the origin says to come back.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Origin(OriginError::Busy { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// As the cause of a [`ReadError`](crate::ReadError).
    pub(super) fn into_cause(self) -> Cause {
        match self {
            Self::Origin(error) => Arc::new(error),
            Self::Stalled(limit) => Arc::new(OriginError::Timeout {
                phase: Phase::Idle,
                limit,
            }),
            other => Arc::new(other),
        }
    }
}
