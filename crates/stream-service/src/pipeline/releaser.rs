//! The pacing thread: takes each frame out of the ring when it is due, at the content's own rate.
//!
//! Fed by the ring that [`super::producer`] fills; feeds [`super::fanout`]. While nobody watches, the position is
//! held. An underrun repeats the last frame (it stays on the viewers' screens) until the ring has frames again,
//! and the clock is anchored anew: what was late is never caught up with in a burst.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use frame_buffer::{Popped, VideoFrame};
use media_source::PacingClock;

use super::fanout::Fanout;
use crate::model::stream::{Playback, Stream, StreamState};
use crate::model::viewer::ViewerId;

/// Runs until the stream stops.
pub(crate) fn run(stream: &Arc<Stream>, mut fanout: Fanout) {
    let mut releaser = Releaser {
        stream,
        clock: None,
        next_tick: None,
    };
    while let Some(step) = releaser.next() {
        match step {
            Step::Release(frame, at) => fanout.release(&frame, at),
            Step::Welcome(newcomers) => fanout.welcome(&newcomers),
            Step::Finish => fanout.finish(),
        }
    }
}

enum Step {
    Release(VideoFrame, Instant),
    Welcome(Vec<ViewerId>),
    Finish,
}

struct Releaser<'a> {
    stream: &'a Stream,
    /// Set while frames go out.
    clock: Option<PacingClock>,
    /// During an underrun: when the missing frame after the next would be due.
    next_tick: Option<Instant>,
}

impl Releaser<'_> {
    /// Waits for the next thing to do; `None` when the stream has stopped.
    fn next(&mut self) -> Option<Step> {
        let mut playback = self.stream.playback();
        loop {
            if playback.stopped {
                return None;
            }
            if !playback.newcomers.is_empty() {
                return Some(Step::Welcome(std::mem::take(&mut playback.newcomers)));
            }
            if !self.may_play(&mut playback) {
                self.clock = None;
                let tick = self.missed_tick(&mut playback);
                playback = self.wait(playback, tick);
                continue;
            }
            if playback.ring.is_finished() {
                self.finish(&mut playback);
                return Some(Step::Finish);
            }
            let now = Instant::now();
            let due = self.next_due(&playback, now);
            if now < due {
                playback = self.wait(playback, Some(due - now));
                continue;
            }
            if let Some(frame) = self.take(&mut playback, now) {
                drop(playback);
                self.stream.room.notify_one();
                return Some(Step::Release(frame, now));
            }
        }
    }

    /// Whether frames go out now; sets the state that a client sees.
    fn may_play(&self, playback: &mut Playback) -> bool {
        if matches!(playback.state, StreamState::Ended | StreamState::Failed(_)) || playback.restart
        {
            return false;
        }
        let watched = playback.watching > 0 || self.stream.params.benchmark;
        playback.state = match (playback.ring.ready(), watched) {
            (false, _) => StreamState::Starting,
            (true, false) => StreamState::Paused,
            (true, true) => StreamState::Playing,
        };
        playback.state == StreamState::Playing
    }

    /// While somebody waits for an empty ring to fill, each frame time that passes is an underflow: counts it, and says
    /// how long it is to the next.
    fn missed_tick(&mut self, playback: &mut Playback) -> Option<Duration> {
        let waits = playback.state == StreamState::Starting && playback.watching > 0;
        if !waits || playback.ring.fill() > 0 {
            self.next_tick = None;
            return None;
        }
        let now = Instant::now();
        let step = self.stream.mean_frame_duration();
        let due = *self.next_tick.get_or_insert(now + step);
        if now >= due {
            // Nothing is shown for it: every viewer still has its last picture, or none.
            let _ = playback.ring.pop(now);
            self.next_tick = Some(now + step);
        }
        self.next_tick
            .map(|tick| tick.saturating_duration_since(now))
    }

    fn wait<'g>(
        &self,
        guard: MutexGuard<'g, Playback>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'g, Playback> {
        match timeout {
            None => self
                .stream
                .frames
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.stream
                    .frames
                    .wait_timeout(guard, timeout)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        }
    }

    /// When the next frame, or the next frame that is missing, is due.
    fn next_due(&mut self, playback: &Playback, now: Instant) -> Instant {
        let Some(clock) = &self.clock else {
            let first_pts = playback
                .ring
                .peek()
                .map_or(Duration::ZERO, |frame| frame.pts);
            self.clock = Some(PacingClock::start(now, first_pts));
            return now;
        };
        match playback.ring.peek() {
            Some(frame) => clock.due(frame.pts),
            None => self.next_tick.unwrap_or_else(|| {
                let last = playback.ring.last();
                last.map_or(now, |last| clock.due(last.pts + last.duration))
            }),
        }
    }

    fn take(&mut self, playback: &mut Playback, now: Instant) -> Option<VideoFrame> {
        match playback.ring.pop(now) {
            Popped::Frame(frame) => {
                self.next_tick = None;
                if let Some(clock) = &mut self.clock {
                    clock.released(now, frame.pts, frame.duration);
                }
                Some(frame)
            }
            Popped::Repeat(last) => {
                let step = if last.duration.is_zero() {
                    self.stream.mean_frame_duration()
                } else {
                    last.duration
                };
                self.next_tick = Some(now + step);
                None
            }
            Popped::Placeholder => {
                self.next_tick = Some(now + self.stream.mean_frame_duration());
                None
            }
            Popped::Ended => None,
        }
    }

    fn finish(&mut self, playback: &mut Playback) {
        self.clock = None;
        self.next_tick = None;
        playback.state = match self.stream.failure.get() {
            Some(error) => StreamState::Failed(error.clone()),
            None => StreamState::Ended,
        };
    }
}
