//! When is a frame due? Pure: every decision takes `now`.
//!
//! Fed by the pts of the frames that leave a buffer; feeds the timer of whoever releases them.

use std::time::{Duration, Instant};

/// Lateness that is timer jitter whatever the frame rate: the schedule stays where it is.
const JITTER: Duration = Duration::from_millis(5);

/// Maps presentation time to wall-clock time at the content's own rate.
///
/// The first frame anchors pts to the clock; every other is due at its distance from it, so rounding and
/// timer jitter do not add up. After a stall (an underrun, a suspended machine) the schedule is anchored
/// again at the late frame: playback goes on at its rate from there, and what was late is never
/// caught up with in a burst.
///
/// ```
/// use std::time::{Duration, Instant};
/// use media_source::PacingClock;
///
/// let now = Instant::now();
/// let frame = Duration::from_millis(40);
/// let mut clock = PacingClock::start(now, Duration::ZERO);
/// assert_eq!(clock.due(frame), now + frame);
///
/// // The frame came 300 ms late: the next one is due 40 ms after it, not 260 ms ago.
/// let late = now + frame + Duration::from_millis(300);
/// clock.released(late, frame, frame);
/// assert_eq!(clock.due(2 * frame), late + frame);
/// ```
#[derive(Debug, Clone)]
pub struct PacingClock {
    anchor: Instant,
    anchor_pts: Duration,
    paused_at: Option<Instant>,
    slipped: Duration,
}

impl PacingClock {
    /// A running clock on which the frame with `first_pts` is due `now`.
    pub fn start(now: Instant, first_pts: Duration) -> Self {
        Self {
            anchor: now,
            anchor_pts: first_pts,
            paused_at: None,
            slipped: Duration::ZERO,
        }
    }

    /// When the frame with this pts is due. A pts before the anchor's is due at the anchor.
    ///
    /// While [paused](Self::is_paused) this is the time as of the pause; ask again after
    /// [`resume`](Self::resume).
    pub fn due(&self, pts: Duration) -> Instant {
        let ahead = pts.saturating_sub(self.anchor_pts);
        // An Instant cannot hold every Duration; what is centuries ahead is due when it is asked for again.
        self.anchor.checked_add(ahead).unwrap_or(self.anchor)
    }

    /// Time left until the frame with this pts is due; zero when it is due or late.
    pub fn wait(&self, now: Instant, pts: Duration) -> Duration {
        self.due(pts).saturating_duration_since(now)
    }

    /// Says that the frame left at `now`. Anchors the schedule again when it was later than half its
    /// duration (at least 5 ms), and returns by how much the schedule slipped; zero when on time.
    pub fn released(&mut self, now: Instant, pts: Duration, duration: Duration) -> Duration {
        let late = now.saturating_duration_since(self.due(pts));
        if late <= (duration / 2).max(JITTER) {
            return Duration::ZERO;
        }
        self.anchor_at(now, pts);
        self.slipped += late;
        late
    }

    /// Anchors the schedule so that the frame with this pts is due `now`: after a seek, or when the next
    /// frame belongs to another timeline. A pause stays a pause.
    pub fn anchor_at(&mut self, now: Instant, pts: Duration) {
        self.anchor = now;
        self.anchor_pts = pts;
        self.paused_at = self.paused_at.map(|_| now);
    }

    /// Stops the clock. Pausing a paused clock changes nothing.
    pub fn pause(&mut self, now: Instant) {
        self.paused_at.get_or_insert(now);
    }

    /// Lets the clock go on: what was due in `x` at the pause is due in `x` from now.
    pub fn resume(&mut self, now: Instant) {
        if let Some(paused_at) = self.paused_at.take() {
            self.anchor += now.saturating_duration_since(paused_at);
        }
    }

    /// Whether the clock is stopped.
    pub fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// How much later than the first schedule the present one is, pauses not counted.
    pub fn slipped(&self) -> Duration {
        self.slipped
    }
}
