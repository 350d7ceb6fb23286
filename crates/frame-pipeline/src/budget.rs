//! How much the pipeline holds: frames and bytes, and who is let in.
//!
//! Policy when full: refuse; the frame goes back to whoever brought it. A frame larger than the
//! whole budget is let in when the pipeline has no other.

/// What is held against what may be.
#[derive(Debug)]
pub(crate) struct Budget {
    max_frames: usize,
    max_bytes: u64,
    frames: usize,
    bytes: u64,
}

/// Which bound a frame would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Frames,
    Bytes,
}

impl Budget {
    pub(crate) fn new(max_frames: usize, max_bytes: u64) -> Self {
        Self {
            max_frames,
            max_bytes,
            frames: 0,
            bytes: 0,
        }
    }

    /// Lets one frame of `bytes` in, or says which bound forbids it.
    pub(crate) fn enter(&mut self, bytes: u64) -> Result<(), Over> {
        if self.frames >= self.max_frames {
            return Err(Over::Frames);
        }
        if self.frames > 0 && self.bytes.saturating_add(bytes) > self.max_bytes {
            return Err(Over::Bytes);
        }
        self.frames += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// A frame that is in turned out to hold `after` bytes instead of `before`.
    pub(crate) fn recharge(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
    }

    /// A frame leaves.
    pub(crate) fn leave(&mut self, bytes: u64) {
        self.frames = self.frames.saturating_sub(1);
        self.recharge(bytes, 0);
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_bytes_are_both_bounded() {
        let mut budget = Budget::new(2, 100);
        assert_eq!(budget.enter(60), Ok(()));
        assert_eq!(budget.enter(41), Err(Over::Bytes));
        assert_eq!(budget.enter(40), Ok(()));
        assert_eq!(budget.enter(0), Err(Over::Frames));
        budget.leave(60);
        assert_eq!((budget.frames(), budget.bytes()), (1, 40));
        assert_eq!(budget.enter(60), Ok(()));
    }

    #[test]
    fn one_frame_always_fits() {
        let mut budget = Budget::new(2, 100);
        assert_eq!(budget.enter(u64::MAX), Ok(()));
        assert_eq!(budget.enter(1), Err(Over::Bytes));
        budget.recharge(u64::MAX, 99);
        assert_eq!(budget.enter(1), Ok(()));
    }
}
