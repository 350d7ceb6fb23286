//! A source without an end.

use std::time::Duration;

use frame_buffer::{FrameId, VideoFrame};

use crate::{DecodeError, FrameSource, VideoInfo};

/// Plays a source again and again. Ids and pts keep rising: the first frame of the next pass starts where
/// the last one's duration ended, so there is no seam.
///
/// A pass that delivers no frame at all ends the loop, so that a broken video cannot spin it.
#[derive(Debug)]
pub struct Looped<S> {
    source: S,
    id_base: u64,
    pts_base: Duration,
    next_id: u64,
    next_pts: Duration,
    delivered_in_pass: bool,
}

impl<S: FrameSource> Looped<S> {
    /// Loops `source` from where it stands, which should be its start.
    pub fn new(source: S) -> Self {
        Self {
            source,
            id_base: 0,
            pts_base: Duration::ZERO,
            next_id: 0,
            next_pts: Duration::ZERO,
            delivered_in_pass: false,
        }
    }

    fn start_pass(&mut self) -> Result<(), DecodeError> {
        self.source.rewind()?;
        self.id_base = self.next_id;
        self.pts_base = self.next_pts;
        self.delivered_in_pass = false;
        Ok(())
    }

    fn place(&mut self, mut frame: VideoFrame) -> VideoFrame {
        frame.id = FrameId(self.id_base + frame.id.0);
        frame.pts += self.pts_base;
        self.next_id = frame.id.0 + 1;
        self.next_pts = frame.pts + frame.duration;
        self.delivered_in_pass = true;
        frame
    }

    fn place_error(&mut self, mut error: DecodeError) -> DecodeError {
        if let DecodeError::Frame { index, pts, .. } = &mut error {
            index.0 += self.id_base;
            *pts += self.pts_base;
            self.next_id = self.next_id.max(index.0 + 1);
        }
        error
    }
}

impl<S: FrameSource> FrameSource for Looped<S> {
    /// The inner source's: frame count and duration are those of one pass.
    fn info(&self) -> &VideoInfo {
        self.source.info()
    }

    fn next_frame(&mut self) -> Result<Option<VideoFrame>, DecodeError> {
        loop {
            match self.source.next_frame() {
                Ok(Some(frame)) => return Ok(Some(self.place(frame))),
                Ok(None) if self.delivered_in_pass => self.start_pass()?,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.place_error(error)),
            }
        }
    }

    /// Starts a new pass; ids and pts keep rising.
    fn rewind(&mut self) -> Result<(), DecodeError> {
        self.start_pass()
    }

    /// `to` is a time of the endless video, as its pts are. Only the present pass can be gone about in: an earlier time is taken
    /// for its start, and a later one goes to its last place, from where playing on leads to it.
    fn seek(&mut self, to: Duration) -> Result<(), DecodeError> {
        self.source.seek(to.saturating_sub(self.pts_base))
    }
}
