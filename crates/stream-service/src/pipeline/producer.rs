//! The decoding thread: keeps the ring as full as it wants to be.
//!
//! Fed by a [`FrameSource`]; feeds the ring, from which [`super::releaser`] takes.

use std::sync::Arc;
use std::time::Instant;

use frame_buffer::{PushOutcome, VideoFrame};
use media_source::{DecodeError, FrameSource};

use crate::model::stream::{Stream, lock};

/// Broken frames in a row after which the source counts as broken: ten seconds of video at 30 fps.
const MAX_BROKEN_IN_A_ROW: u32 = 300;

/// What the thread does next.
enum Demand {
    Frame,
    Rewind,
    Stop,
}

/// Runs until the stream stops or its source breaks for good.
pub(crate) fn run(stream: &Arc<Stream>, mut source: Box<dyn FrameSource>) {
    let mut broken_in_a_row = 0;
    loop {
        match wait_for_demand(stream) {
            Demand::Stop => return,
            Demand::Rewind => {
                if let Err(error) = source.rewind() {
                    return stream.fail(error.to_string());
                }
            }
            Demand::Frame => match decode(stream, source.as_mut()) {
                Ok(Some(frame)) => {
                    broken_in_a_row = 0;
                    push(stream, frame);
                }
                Ok(None) => end(stream),
                Err(error) => {
                    broken_in_a_row += 1;
                    lock(&stream.meters).decode_errors += 1;
                    tracing::warn!(stream = %stream.id, %error, "a frame was not decoded");
                    if !error.is_recoverable() || broken_in_a_row > MAX_BROKEN_IN_A_ROW {
                        return break_off(stream, &error);
                    }
                }
            },
        }
    }
}

fn wait_for_demand(stream: &Stream) -> Demand {
    let mut playback = stream.playback();
    loop {
        if playback.stopped {
            return Demand::Stop;
        }
        if std::mem::take(&mut playback.restart) {
            playback.ring.clear();
            return Demand::Rewind;
        }
        if playback.ring.fill_state().wants_frames() {
            return Demand::Frame;
        }
        playback = stream
            .room
            .wait(playback)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
    }
}

fn decode(
    stream: &Stream,
    source: &mut dyn FrameSource,
) -> Result<Option<VideoFrame>, DecodeError> {
    let start = Instant::now();
    let frame = source.next_frame()?;
    if frame.is_some() {
        let now = Instant::now();
        let mut meters = lock(&stream.meters);
        meters.decode.add(now - start);
        meters.decoded.add(now, 1);
    }
    Ok(frame)
}

fn push(stream: &Stream, frame: VideoFrame) {
    let mut playback = stream.playback();
    let mut frame = frame;
    // The ring may have been made smaller while the frame was decoded: then it waits for room.
    while let PushOutcome::Full(back) = playback.ring.push(frame) {
        if playback.stopped || playback.restart {
            return;
        }
        frame = back;
        playback = stream
            .room
            .wait(playback)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    drop(playback);
    stream.frames.notify_all();
}

fn end(stream: &Stream) {
    stream.playback().ring.end_of_source();
    stream.frames.notify_all();
}

/// The source broke: what is in the ring is still shown, then the stream has failed.
fn break_off(stream: &Stream, error: &DecodeError) {
    tracing::error!(stream = %stream.id, %error, "the source broke");
    let _ = stream.failure.set(error.to_string());
    end(stream);
}
