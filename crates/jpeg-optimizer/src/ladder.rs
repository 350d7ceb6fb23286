//! The few qualities that viewers share, so that each frame is encoded a few times and not once
//! per viewer; and the range that a client's quality may move in.

use crate::{Quality, QualityError, QualityLevel};

/// Most rungs: each one in use costs an encode a frame.
pub const MAX_RUNGS: usize = 8;

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
    /// It has more than [`MAX_RUNGS`].
    #[error(
        "a quality ladder of {got} qualities is too long: at most {MAX_RUNGS}, each in use costs an encode a frame"
    )]
    TooMany {
        /// How many it has.
        got: usize,
    },
    /// It names a rung twice.
    #[error("quality {got} is in the ladder twice: name each once")]
    Duplicate {
        /// The rung.
        got: Quality,
    },
    /// It goes up and down.
    #[error(
        "quality {got} is out of order in the ladder: write them best first, as 90, 70, 50, or worst first"
    )]
    Unsorted {
        /// The first rung that turns around.
        got: Quality,
    },
    /// It has a rung that is no quality.
    #[error(transparent)]
    Quality(#[from] QualityError),
}

impl QualityLadder {
    /// A ladder of these qualities, best first or worst first.
    ///
    /// # Errors
    /// [`LadderError`] when there is none or more than [`MAX_RUNGS`], one is there twice or out of order, or one is
    /// outside of 1 to 100.
    pub fn new(qualities: &[u8]) -> Result<Self, LadderError> {
        if qualities.is_empty() {
            return Err(LadderError::Empty);
        }
        if qualities.len() > MAX_RUNGS {
            return Err(LadderError::TooMany {
                got: qualities.len(),
            });
        }
        let rungs = qualities
            .iter()
            .map(|&quality| Quality::new(quality))
            .collect::<Result<Vec<_>, _>>()?;
        let mut sorted = rungs.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LadderError::Duplicate { got: pair[0] });
        }
        let ascends = rungs.len() < 2 || rungs[0] < rungs[1];
        let turn = rungs.windows(2).find(|pair| (pair[0] < pair[1]) != ascends);
        match turn {
            Some(pair) => Err(LadderError::Unsorted { got: pair[1] }),
            None => Ok(Self { rungs: sorted }),
        }
    }

    /// The rungs, worst first.
    pub fn rungs(&self) -> &[Quality] {
        &self.rungs
    }

    /// The rung nearest to `wanted`; of two equally near, the better.
    pub fn snap(&self, wanted: Quality) -> Quality {
        nearest(&self.rungs, wanted)
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

    /// What a client within `range` may be sent, worst first: the rungs in range, a bound in place of those beyond it,
    /// and the floor below the lowest rung, for a target that even that one exceeds.
    pub fn within(&self, range: QualityRange) -> Vec<Quality> {
        let clamped = self
            .rungs
            .iter()
            .map(|&rung| rung.clamp(range.floor, range.ceiling));
        let mut qualities: Vec<_> = std::iter::once(range.floor).chain(clamped).collect();
        qualities.dedup();
        qualities
    }
}

impl Default for QualityLadder {
    fn default() -> Self {
        Self {
            rungs: QualityLevel::ALL.map(QualityLevel::quality).to_vec(),
        }
    }
}

/// The one of `rungs` (worst first) nearest to `wanted`; of two equally near, the better.
pub(crate) fn nearest(rungs: &[Quality], wanted: Quality) -> Quality {
    rungs
        .iter()
        .copied()
        .rev()
        .min_by_key(|rung| rung.get().abs_diff(wanted.get()))
        .unwrap_or(wanted)
}

/// What a client's quality may be. Default: 30 to 95; below 30 faces and text are lost, above 95 bytes double for what
/// nobody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityRange {
    floor: Quality,
    ceiling: Quality,
}

/// A floor above its ceiling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the least quality {floor} is above the greatest {ceiling}: exchange them")]
pub struct RangeError {
    /// The floor.
    pub floor: Quality,
    /// The ceiling.
    pub ceiling: Quality,
}

impl QualityRange {
    /// A checked range.
    ///
    /// # Errors
    /// [`RangeError`] when the floor is above the ceiling.
    pub fn new(floor: Quality, ceiling: Quality) -> Result<Self, RangeError> {
        if floor > ceiling {
            return Err(RangeError { floor, ceiling });
        }
        Ok(Self { floor, ceiling })
    }

    /// The least quality.
    pub const fn floor(self) -> Quality {
        self.floor
    }

    /// The greatest quality.
    pub const fn ceiling(self) -> Quality {
        self.ceiling
    }

    /// The same with another floor, at most the ceiling.
    #[must_use]
    pub fn with_floor(self, floor: Quality) -> Self {
        Self {
            floor: floor.min(self.ceiling),
            ceiling: self.ceiling,
        }
    }
}

impl Default for QualityRange {
    fn default() -> Self {
        Self {
            floor: Quality::DEFAULT_FLOOR,
            ceiling: Quality::DEFAULT_CEILING,
        }
    }
}
