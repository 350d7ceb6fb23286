//! Processors that look at one frame at a time and remember nothing.

use crate::{DecodedFrame, FrameProcessor, Output, ProcessorError, ProcessorFactory};

/// A function of one frame as a processor, and its own factory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Each {
    pub(super) name: &'static str,
    pub(super) of_frame: fn(&DecodedFrame) -> Result<Output, String>,
    pub(super) needs_pixels: bool,
    pub(super) needs_previous: bool,
}

/// `none`: the payload's size, so that frames are counted and checked and nothing else.
pub(super) const NONE: Each = Each {
    name: "none",
    of_frame: |frame| {
        Ok(Output::from_iter([(
            "bytes".to_owned(),
            frame.payload_bytes.into(),
        )]))
    },
    needs_pixels: false,
    needs_previous: false,
};

impl FrameProcessor for Each {
    fn process(&mut self, batch: &[DecodedFrame]) -> Vec<Result<Output, String>> {
        batch.iter().map(self.of_frame).collect()
    }

    fn needs_pixels(&self) -> bool {
        self.needs_pixels
    }

    fn needs_previous(&self) -> bool {
        self.needs_previous
    }
}

impl ProcessorFactory for Each {
    fn name(&self) -> &str {
        self.name
    }

    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError> {
        Ok(Box::new(*self))
    }
}
