//! Reads a video to its end, on a thread of its own, and hands each frame to the link.
//!
//! Fed by `payloads`; tells the run how far it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use datachannel_transport::{TimingSummary, TimingWindow};
use media_source::PacingClock;

use super::ledger::Resumed;
use super::link::{LinkFailure, SendLink};
use super::payloads::{Payload, PayloadError, Payloads};
use crate::process::protocol::ProcessMode;

/// What the reading thread has done.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) frames: AtomicU64,
    pub(super) complete: AtomicBool,
    broke: AtomicBool,
    times: Mutex<TimingWindow>,
}

impl Reading {
    /// Reading a frame took that long.
    fn took(&self, time: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.add(time);
    }

    /// The video could not be read on.
    pub(super) fn broke(&self) -> bool {
        self.broke.load(Ordering::Relaxed)
    }

    pub(super) fn times(&self) -> TimingSummary {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.summary()
    }
}

/// Starts reading.
pub(super) fn spawn_reader(
    mut payloads: Payloads,
    resumed: Resumed,
    mode: ProcessMode,
    link: Arc<SendLink>,
    reading: Arc<Reading>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        if let Err(error) = read(&mut payloads, resumed, mode, &link, &reading) {
            reading.broke.store(true, Ordering::Relaxed);
            link.fail(LinkFailure::Gone(error.to_string()));
        }
    })
}

/// Reads the video to its end, on a thread of its own.
fn read(
    payloads: &mut Payloads,
    resumed: Resumed,
    mode: ProcessMode,
    link: &SendLink,
    reading: &Reading,
) -> Result<(), PayloadError> {
    if let Some(last) = resumed.last_frame {
        payloads.skip_through(last, resumed.last_hash)?;
    }
    let mut pace = Pace::default();
    loop {
        let began = Instant::now();
        let Some(payload) = payloads.next()? else {
            break;
        };
        reading.took(began.elapsed());
        match payload {
            Payload::Frame(frame) => {
                if mode == ProcessMode::Realtime {
                    pace.wait(Duration::from_micros(
                        u64::try_from(frame.meta.pts_us).unwrap_or(0),
                    ));
                }
                // An access unit that an earlier run has counted goes out again for the sake of later ones.
                let counts = resumed
                    .last_frame
                    .is_none_or(|last| frame.meta.source_id > last);
                if !link.offer(frame) {
                    return Ok(());
                }
                reading
                    .frames
                    .fetch_add(u64::from(counts), Ordering::Relaxed);
            }
            Payload::Damaged(reason) => link.unreadable(reason),
        }
    }
    reading.complete.store(true, Ordering::Relaxed);
    link.finish();
    Ok(())
}

/// Realtime frames are read at the video's own rate.
#[derive(Default)]
struct Pace {
    clock: Option<PacingClock>,
}

impl Pace {
    fn wait(&mut self, pts: Duration) {
        let now = Instant::now();
        let clock = self
            .clock
            .get_or_insert_with(|| PacingClock::start(now, pts));
        std::thread::sleep(clock.wait(now, pts));
    }
}
