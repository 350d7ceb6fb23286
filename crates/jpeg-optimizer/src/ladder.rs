//! The few qualities that viewers share, so that each frame is encoded a few times and not once
//! per viewer.

use crate::{Quality, QualityError, QualityLevel};

/// Rungs that wanted qualities snap to. Default: 50, 70 and 90.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityLadder {
    /// Worst first; never empty, no rung twice.
    rungs: Vec<Quality>,
}

/// Not a ladder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LadderError {
    /// It has no rung.
    #[error("a quality ladder needs at least one quality, such as 90, 70, 50")]
    Empty,
    /// It names a rung twice.
    #[error("quality {got} is in the ladder twice: name each once")]
    Duplicate {
        /// The rung.
        got: Quality,
    },
    /// It has a rung that is no quality.
    #[error(transparent)]
    Quality(#[from] QualityError),
}

impl QualityLadder {
    /// A ladder of these qualities, in any order.
    ///
    /// # Errors
    /// [`LadderError`] when there is none, one is there twice, or one is outside of 1 to 100.
    pub fn new(qualities: &[u8]) -> Result<Self, LadderError> {
        let mut rungs = qualities
            .iter()
            .map(|&quality| Quality::new(quality))
            .collect::<Result<Vec<_>, _>>()?;
        rungs.sort_unstable();
        if rungs.is_empty() {
            return Err(LadderError::Empty);
        }
        match rungs.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(LadderError::Duplicate { got: pair[0] }),
            None => Ok(Self { rungs }),
        }
    }

    /// The rungs, worst first.
    pub fn rungs(&self) -> &[Quality] {
        &self.rungs
    }

    /// The rung nearest to `wanted`; of two equally near, the better.
    pub fn snap(&self, wanted: Quality) -> Quality {
        self.rungs
            .iter()
            .copied()
            .rev()
            .min_by_key(|rung| rung.get().abs_diff(wanted.get()))
            .unwrap_or(wanted)
    }

    /// The next rung below `quality`, for a viewer that falls behind.
    pub fn below(&self, quality: Quality) -> Option<Quality> {
        self.rungs
            .iter()
            .copied()
            .rev()
            .find(|&rung| rung < quality)
    }

    /// The next rung above `quality`, for a viewer with bandwidth to spare.
    pub fn above(&self, quality: Quality) -> Option<Quality> {
        self.rungs.iter().copied().find(|&rung| rung > quality)
    }
}

impl Default for QualityLadder {
    fn default() -> Self {
        Self {
            rungs: QualityLevel::ALL.map(QualityLevel::quality).to_vec(),
        }
    }
}
