//! A client behind a link whose capacity changes: latency is seen, the floor goes first, then the target; both return.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use frame_buffer::FrameId;
use jpeg_optimizer::{
    Bitrate, ClientConfig, ClientQuality, LinkSample, ModelBased, Quality, SentFrame, SizeModel,
    TargetBitrate, TargetConfig, TcpMeter, TcpQueue,
};

/// A socket's send queue that drains at a rate, and a client that fills it at 30 fps.
struct Link {
    now: Instant,
    queue: TcpQueue,
    meter: TcpMeter,
    target: TargetBitrate,
    client: ClientQuality,
    frames: u64,
}

impl Link {
    fn new(asked: Option<Bitrate>) -> Self {
        let mut target = TargetBitrate::new(TargetConfig::default());
        target.ask(asked);
        let policy = ModelBased::new(Arc::new(SizeModel::new()));
        Self {
            now: Instant::now(),
            queue: TcpQueue {
                written_bytes: 0,
                queued_bytes: 0,
            },
            meter: TcpMeter::new(),
            target,
            client: ClientQuality::new(ClientConfig::default(), Box::new(policy)),
            frames: 0,
        }
    }

    /// One frame, and the time until the next. 40 kB at quality 70, 9.6 Mbit/s.
    fn frame(&mut self, capacity_bps: f64) {
        self.client.follow(&self.target);
        if let Some(quality) = self.client.next_quality(self.now) {
            let bytes = (40_000.0 * 2_f64.powf((f64::from(quality.get()) - 70.0) / 22.0)) as usize;
            self.client.sent(SentFrame {
                frame: FrameId(self.frames),
                at: self.now,
                bytes,
                quality,
            });
            self.queue.written_bytes += bytes as u64;
            self.queue.queued_bytes += bytes as u64;
        }
        self.frames += 1;
        self.now += Duration::from_micros(33_333);
        let drained = (capacity_bps / 8.0 * 0.033_333) as u64;
        self.queue.queued_bytes = self.queue.queued_bytes.saturating_sub(drained);
        if self.frames.is_multiple_of(6) {
            let sample = self.meter.sample(self.now, self.queue);
            self.target.observe(self.now, sample);
        }
    }

    fn run(&mut self, seconds: u64, capacity_bps: f64) {
        for _ in 0..30 * seconds {
            self.frame(capacity_bps);
        }
    }

    fn delay(&self, capacity_bps: f64) -> f64 {
        self.queue.queued_bytes as f64 * 8.0 / capacity_bps
    }
}

#[test]
fn a_link_that_carries_all_is_given_the_usual_quality() {
    let mut link = Link::new(None);
    link.run(20, 30e6);
    assert_eq!(link.target.target(), None);
    assert_eq!(link.client.stats().quality_changes, 0);
    assert_eq!(link.client.stats().quality.get(), 70);
}

#[test]
fn latency_lowers_the_floor_first_and_then_the_target() {
    let mut link = Link::new(None);
    link.run(5, 30e6);
    let mut order = Vec::new();
    for _ in 0..150 {
        link.frame(4e6);
        if link.target.floor() < Quality::DEFAULT_FLOOR && order.is_empty() {
            assert_eq!(link.target.target(), None);
            assert!(link.target.latency() > Duration::from_millis(100));
            link.client.follow(&link.target);
            assert!(link.client.stats().latency_ms > 100.0);
            order.push("floor");
        }
        if link.target.target().is_some() && order.len() == 1 {
            order.push("target");
        }
    }
    assert_eq!(order, ["floor", "target"]);
}

#[test]
fn the_queue_is_short_again_five_seconds_after_the_link_got_worse() {
    let mut link = Link::new(None);
    link.run(5, 30e6);
    for capacity_bps in [5e6, 3e6] {
        link.run(5, capacity_bps);
        let mut late = 0;
        for _ in 0..300 {
            link.frame(capacity_bps);
            late += u64::from(link.delay(capacity_bps) > 0.2);
        }
        assert!(late <= 15, "{late} of 300 frames late at {capacity_bps}");
        let carried = link.client.stats().bitrate_bps / capacity_bps;
        assert!(
            carried > 0.6,
            "only {carried:.2} of {capacity_bps} are used"
        );
    }
    link.run(40, 30e6);
    assert_eq!(link.target.floor(), Quality::DEFAULT_FLOOR);
    assert!(link.client.stats().bitrate_bps > 8e6);
}

#[test]
fn the_least_of_configured_asked_and_measured_holds() {
    let bps = |bps| Bitrate::new(bps).unwrap();
    let config = TargetConfig {
        configured: Some(bps(4_000_000)),
        ..TargetConfig::default()
    };
    let mut target = TargetBitrate::new(config);
    assert_eq!(target.target(), Some(bps(4_000_000)));
    target.ask(Some(bps(1_000_000)));
    assert_eq!(target.target(), Some(bps(1_000_000)));
    target.ask(Some(bps(9_000_000)));
    assert_eq!(target.target(), Some(bps(4_000_000)));
    let mut now = Instant::now();
    for _ in 0..3 {
        let late = LinkSample {
            goodput_bps: Some(2_000_000.0),
            queue_delay: Duration::from_millis(300),
        };
        target.observe(now, late);
        now += Duration::from_millis(600);
    }
    assert!(target.target() < Some(bps(2_000_000)));
    target.ask(None);
    assert!(target.target() < Some(bps(2_000_000)));
}

/// Whatever is measured, the target stays a bitrate and the floor a quality in its range.
#[test]
fn nonsense_from_a_link_is_borne() {
    let mut target = TargetBitrate::new(TargetConfig::default());
    let mut now = Instant::now();
    for goodput_bps in [
        None,
        Some(0.0),
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(-1.0),
    ] {
        for queue_delay in [Duration::ZERO, Duration::MAX] {
            for _ in 0..5 {
                target.observe(
                    now,
                    LinkSample {
                        goodput_bps,
                        queue_delay,
                    },
                );
                now += Duration::from_secs(1);
                assert!(target.floor() >= Quality::LATE_FLOOR);
            }
        }
    }
}

#[test]
fn a_socket_that_takes_nothing_is_late() {
    let mut meter = TcpMeter::new();
    let start = Instant::now();
    let queue = |queued_bytes| TcpQueue {
        written_bytes: 1_000_000,
        queued_bytes,
    };
    let empty = meter.sample(start, queue(0));
    assert_eq!(empty.queue_delay, Duration::ZERO);
    for tenth in 1..20 {
        let now = start + Duration::from_millis(100) * tenth;
        let stalled = TcpQueue {
            written_bytes: 1_500_000,
            queued_bytes: 500_000,
        };
        let sample = meter.sample(now, stalled);
        assert!(sample.queue_delay > Duration::from_secs(1));
        assert_eq!(sample.goodput_bps, Some(0.0));
    }
}
