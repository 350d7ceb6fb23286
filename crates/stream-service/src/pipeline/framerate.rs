//! Delivers at most so many frames a second, evenly: the `framerate` of a stream. Pure.

use std::time::Duration;

/// Says of each frame whether it is delivered, by its presentation time.
#[derive(Debug, Clone)]
pub(crate) struct FrameRateLimit {
    interval: Option<Duration>,
    /// From when on a frame is delivered next.
    next_due: Duration,
}

impl FrameRateLimit {
    /// At most `fps` frames a second; `None` delivers every frame.
    pub(crate) fn new(fps: Option<f64>) -> Self {
        let interval = fps
            .filter(|fps| fps.is_finite() && *fps > 0.0)
            .map(|fps| Duration::from_secs_f64(1.0 / fps));
        Self {
            interval,
            next_due: Duration::ZERO,
        }
    }

    /// Whether the frame shown at `pts` is delivered. Each delivered frame moves the due time by one interval, so that
    /// the mean is the limit even where it does not divide the content's rate.
    pub(crate) fn takes(&mut self, pts: Duration) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        // An eighth of tolerance keeps rounded timestamps from costing frames of a video at the limit's own rate.
        if pts + interval / 8 < self.next_due && self.next_due <= pts + interval * 2 {
            return false;
        }
        let late = pts > self.next_due + interval || self.next_due > pts + interval * 2;
        self.next_due = if late {
            pts + interval
        } else {
            self.next_due + interval
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(video_fps: f64, limit: f64) -> usize {
        let mut gate = FrameRateLimit::new(Some(limit));
        let frames = (video_fps * 10.0) as u32;
        (0..frames)
            .filter(|&i| gate.takes(Duration::from_secs_f64(f64::from(i) / video_fps)))
            .count()
    }

    #[test]
    fn a_restart_begins_at_once() {
        let mut gate = FrameRateLimit::new(Some(10.0));
        assert!(gate.takes(Duration::from_secs(60)));
        assert!(!gate.takes(Duration::from_millis(60_033)));
        assert!(gate.takes(Duration::ZERO));
    }

    #[test]
    fn a_limit_below_the_content_thins_it_out_and_one_above_changes_nothing() {
        assert_eq!(delivered(30.0, 10.0), 100);
        assert_eq!(delivered(30.0, 30.0), 300);
        assert_eq!(delivered(29.97, 30.0), 299);
        assert_eq!(delivered(25.0, 60.0), 250);
        assert_eq!(delivered(30.0, 15.0), 150);
        assert!((199..=201).contains(&delivered(30.0, 20.0)));
    }
}
