//! What a viewer's link carries, from its acknowledgements.
//!
//! Fed with each frame offered to the link and each that its page confirmed; feeds [`super::rate`] with goodput and with
//! the time that frames wait beyond the path's own. Pure: `now` is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jpeg_optimizer::{LinkSample, TcpMeter, TcpQueue};

/// Between two samples: what changed must show at the other end, and acks come in bursts.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);
/// Frames whose way is followed; a link holds fewer.
const MAX_FOLLOWED: usize = 128;
/// How long the shortest way of a frame counts as the path's own: a route may become longer for good.
const PATH_MEMORY: Duration = Duration::from_secs(60);

/// One link's acknowledgements.
#[derive(Debug, Clone, Default)]
pub(crate) struct AckMeter {
    /// Frames offered and not known to have arrived, oldest first.
    followed: VecDeque<(u64, Instant)>,
    last_way: Duration,
    /// The shortest ways, each the least since it was the last one: strictly growing.
    shortest: VecDeque<(Instant, Duration)>,
    goodput: TcpMeter,
    sampled: Option<Instant>,
}

impl AckMeter {
    /// A frame was offered to the link.
    pub(crate) fn offered(&mut self, now: Instant, source_id: u64) {
        if self.followed.len() == MAX_FOLLOWED {
            self.followed.pop_front();
        }
        self.followed.push_back((source_id, now));
    }

    /// A frame arrived; those offered before it arrived as well, or never will.
    pub(crate) fn acked(&mut self, now: Instant, source_id: u64) {
        let Some(at) = self.followed.iter().position(|&(id, _)| id == source_id) else {
            return;
        };
        let Some((_, offered)) = self.followed.drain(..=at).next_back() else {
            return;
        };
        self.last_way = now.saturating_duration_since(offered);
        while (self.shortest.back()).is_some_and(|&(_, way)| way >= self.last_way) {
            self.shortest.pop_back();
        }
        self.shortest.push_back((now, self.last_way));
        let is_old = |&(at, _): &(Instant, _)| now.saturating_duration_since(at) > PATH_MEMORY;
        while self.shortest.len() > 1 && self.shortest.front().is_some_and(is_old) {
            self.shortest.pop_front();
        }
    }

    /// A frame will not arrive.
    pub(crate) fn dropped(&mut self, source_id: u64) {
        self.followed.retain(|&(id, _)| id != source_id);
    }

    /// What the link does, given the bytes that ever arrived; `None` until it is time for another look.
    pub(crate) fn sample(&mut self, now: Instant, acked_bytes: u64) -> Option<LinkSample> {
        let waits = |at| now.saturating_duration_since(at) < SAMPLE_INTERVAL;
        if self.sampled.is_some_and(waits) {
            return None;
        }
        self.sampled = Some(now);
        let queue = TcpQueue {
            written_bytes: acked_bytes,
            queued_bytes: 0,
        };
        let sample = self.goodput.sample(now, queue);
        let oldest = self.followed.front();
        let waiting = oldest.map_or(Duration::ZERO, |&(_, at)| now.saturating_duration_since(at));
        let own = (self.shortest.front()).map_or(self.last_way, |&(_, way)| way);
        Some(LinkSample {
            queue_delay: waiting.max(self.last_way).saturating_sub(own),
            ..sample
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offers 30 frames a second for `seconds`, each of which arrives after `way`; the last sample.
    fn play(meter: &mut AckMeter, from: Instant, seconds: u64, way: Duration) -> LinkSample {
        let mut last = None;
        let mut bytes = 0;
        let lag = (way.as_millis() as u64).div_ceil(33);
        for frame in 0..seconds * 30 {
            let now = from + Duration::from_millis(frame * 33);
            if let Some(arrived) = frame.checked_sub(lag) {
                let at = from + Duration::from_millis(arrived * 33) + way;
                meter.acked(at, arrived);
                bytes += 10_000;
            }
            meter.offered(now, frame);
            last = meter.sample(now, bytes).or(last);
        }
        last.unwrap()
    }

    #[test]
    fn a_long_path_is_no_queue() {
        let sample = play(
            &mut AckMeter::default(),
            Instant::now(),
            5,
            Duration::from_millis(180),
        );
        assert!(
            sample.queue_delay <= Duration::from_millis(40),
            "{sample:?}"
        );
        let expected = 10_000.0 * 8.0 * 1000.0 / 33.0;
        let goodput = sample.goodput_bps.unwrap();
        assert!((goodput / expected - 1.0).abs() < 0.1, "{goodput}");
    }

    #[test]
    fn frames_that_do_not_arrive_are_a_queue() {
        let (start, mut meter) = (Instant::now(), AckMeter::default());
        play(&mut meter, start, 2, Duration::from_millis(20));
        let later = start + Duration::from_secs(4);
        let sample = meter.sample(later, 600_000).unwrap();
        assert!(sample.queue_delay > Duration::from_secs(1), "{sample:?}");
        // What was dropped is waited for no longer.
        (0..60).for_each(|frame| meter.dropped(frame));
        let sample = meter.sample(later + SAMPLE_INTERVAL, 600_000).unwrap();
        assert!(sample.queue_delay < Duration::from_millis(50), "{sample:?}");
    }
}
