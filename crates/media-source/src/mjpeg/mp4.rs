//! MJPEG in MP4 or QuickTime: one JPEG per sample.
//!
//! Fed by the MP4 demuxer; feeds [`MjpegSource`](super::MjpegSource).

use std::time::Duration;

use super::source::{JpegStream, StreamInfo, Unit};
use crate::DecodeError;
use crate::mp4::Demuxer;

pub(crate) struct Mp4Stream {
    demuxer: Demuxer,
    next_slot: usize,
}

impl Mp4Stream {
    pub(super) fn new(demuxer: Demuxer) -> Self {
        Self {
            demuxer,
            next_slot: 0,
        }
    }
}

impl JpegStream for Mp4Stream {
    fn name(&self) -> &str {
        self.demuxer.name()
    }

    fn info(&self) -> StreamInfo {
        let whole = !self.demuxer.is_open_ended();
        let duration = self.demuxer.known_duration();
        let frames = self.demuxer.slot_count();
        StreamInfo {
            container: "MP4",
            frame_rate: self.demuxer.mean_rate(),
            frame_count: whole.then_some(frames as u64),
            duration: whole.then_some(duration),
        }
    }

    fn next_jpeg(&mut self, jpeg: &mut Vec<u8>) -> Result<Option<Unit>, DecodeError> {
        let sample = loop {
            match self.demuxer.sample_at(self.next_slot) {
                Some(sample) => break sample,
                None if self.demuxer.extend()? => {}
                None => return Ok(None),
            }
        };
        self.demuxer.read(sample, jpeg)?;
        let times = self.demuxer.times(self.next_slot);
        self.next_slot += 1;
        Ok(Some(Unit {
            pts: times.pts,
            duration: times.duration,
            repeat: false,
        }))
    }

    fn rewind(&mut self) -> Result<(), DecodeError> {
        self.next_slot = 0;
        Ok(())
    }

    fn seek(&mut self, to: Duration) -> Result<u64, DecodeError> {
        self.next_slot = self.demuxer.slot_shown_at(to)?;
        Ok(self.next_slot as u64)
    }
}
