//! Delivers at most so many frames a second, evenly: the `framerate` of a stream. Pure.

use std::time::Duration;

/// Says of each frame whether it is delivered, by its presentation time.
#[derive(Debug, Clone)]
pub(crate) struct FrameRateLimit {
    interval: Option<Duration>,
    /// The slot of the frame delivered last.
    last_slot: Option<u128>,
}

impl FrameRateLimit {
    /// At most `fps` frames a second; `None` delivers every frame.
    pub(crate) fn new(fps: Option<f64>) -> Self {
        let interval = fps
            .filter(|fps| fps.is_finite() && *fps > 0.0)
            .map(|fps| Duration::from_secs_f64(1.0 / fps));
        Self {
            interval,
            last_slot: None,
        }
    }

    /// Whether the frame shown at `pts` is the first of its slot of `1/fps` seconds.
    pub(crate) fn takes(&mut self, pts: Duration) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        // Half a slot of tolerance keeps a 30 fps limit from dropping frames of a 29.97 fps video.
        let slot = (pts.as_nanos() + interval.as_nanos() / 2) / interval.as_nanos().max(1);
        let takes = self.last_slot != Some(slot);
        self.last_slot = Some(slot);
        takes
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
    fn a_limit_below_the_content_thins_it_out_and_one_above_changes_nothing() {
        assert_eq!(delivered(30.0, 10.0), 100);
        assert_eq!(delivered(30.0, 30.0), 300);
        assert_eq!(delivered(29.97, 30.0), 299);
        assert_eq!(delivered(25.0, 60.0), 250);
        assert!((149..=151).contains(&delivered(30.0, 15.0)));
    }
}
