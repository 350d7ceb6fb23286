//! A viewer on a simulated link: what was asked for holds, and a link that carries less is found and kept to.

use std::collections::VecDeque;
use std::time::Duration;

use frame_buffer::FrameId;

use super::super::ack_meter::AckMeter;
use super::*;

const FPS: u64 = 30;
/// Frames that the link of a viewer holds before a new one takes the place of the oldest.
const MAX_QUEUED: usize = 15;
/// One way.
const PATH: Duration = Duration::from_millis(30);

/// Bytes of a frame: about doubled from level to level, and some way up and down with the content.
fn bytes_of(frame: u64, quality: Quality) -> usize {
    let content = 1.0 + 0.15 * ((frame % 97) as f64 / 97.0 * std::f64::consts::TAU).sin();
    (4_000.0 * 1.018_f64.powi(quality.get().into()) * content) as usize
}

/// A viewer, its stream and its link.
struct Run {
    start: Instant,
    frame: u64,
    rate: ClientRate,
    acks: AckMeter,
    /// Under way or waiting: arrival, frame, bytes.
    link: VecDeque<(Instant, u64, usize)>,
    acked_bytes: u64,
    dropped: u64,
    /// The frames that the link took.
    sent: Vec<Sent>,
}

struct Sent {
    frame: u64,
    quality: Quality,
    bytes: usize,
    /// From being offered to its arrival.
    way: Duration,
}

impl Run {
    fn new(wish: ClientWish) -> Self {
        let sizes = Arc::new(SizeModel::new());
        Self {
            start: Instant::now(),
            frame: 0,
            rate: ClientRate::new(&StreamingConfig::default(), sizes, wish),
            acks: AckMeter::default(),
            link: VecDeque::new(),
            acked_bytes: 0,
            dropped: 0,
            sent: Vec::new(),
        }
    }

    /// Plays on a link of so many bits per second; returns where in `sent` this part begins.
    fn play(&mut self, seconds: u64, link_bps: f64, of_stream: StreamRate) -> usize {
        let from = self.sent.len();
        for _ in 0..seconds * FPS {
            self.frame += 1;
            let now = self.start + Duration::from_micros(self.frame * 1_000_000 / FPS);
            while let Some((at, frame, bytes)) = self.link.front().copied() {
                if at + PATH > now {
                    break;
                }
                self.link.pop_front();
                self.acks.acked(at + PATH, frame);
                self.acked_bytes += bytes as u64;
            }
            if let Some(sample) = self.acks.sample(now, self.acked_bytes) {
                self.rate.observe(now, sample);
            }
            self.offer(now, link_bps, of_stream);
        }
        from
    }

    fn offer(&mut self, now: Instant, link_bps: f64, of_stream: StreamRate) {
        let Some(quality) = self.rate.next(now, of_stream) else {
            return;
        };
        let bytes = bytes_of(self.frame, quality);
        let frame = SentFrame {
            frame: FrameId(self.frame),
            at: now,
            bytes,
            quality,
        };
        let waiting = self.link.iter().filter(|(at, ..)| *at > now).count();
        self.rate.sent(frame, waiting > MAX_QUEUED);
        self.acks.offered(now, self.frame);
        if waiting > MAX_QUEUED {
            self.dropped += 1;
            self.acks.dropped(self.frame);
            return;
        }
        let free = self.link.back().map_or(now, |&(at, ..)| at.max(now));
        let arrival = free + Duration::from_secs_f64(bytes as f64 * 8.0 / link_bps);
        self.link.push_back((arrival, self.frame, bytes));
        self.sent.push(Sent {
            frame: self.frame,
            quality,
            bytes,
            way: arrival + PATH - now,
        });
    }

    fn bps(&self, from: usize) -> f64 {
        let sent = &self.sent[from..];
        let bytes: usize = sent.iter().map(|it| it.bytes).sum();
        let frames = self.frame + 1 - sent[0].frame;
        bytes as f64 * 8.0 * FPS as f64 / frames as f64
    }

    fn changes(&self, from: usize) -> usize {
        let pairs = self.sent[from..].windows(2);
        pairs
            .filter(|pair| pair[0].quality != pair[1].quality)
            .count()
    }
}

const FAST: f64 = 1e9;

fn stream(kbps: Option<u64>) -> StreamRate {
    StreamRate {
        quality: QualityChoice::Auto,
        kbps: kbps.map(|kbps| Bitrate::from_kbps(kbps).unwrap()),
    }
}

#[test]
fn a_target_is_met_five_seconds_after_each_change() {
    let asked = ClientWish {
        quality: None,
        kbps: Some(Bitrate::from_kbps(4_000).unwrap()),
    };
    let mut run = Run::new(asked);
    for (of_stream, wanted) in [
        (None, 4e6),
        (Some(3_000), 3e6),
        // The least holds.
        (Some(9_000), 4e6),
        (None, 4e6),
    ] {
        run.play(5, FAST, stream(of_stream));
        let from = run.play(10, FAST, stream(of_stream));
        let got = run.bps(from);
        assert!((got / wanted - 1.0).abs() < 0.1, "{got} for {wanted}");
        assert!(run.rate.stats().bitrate_variance_ratio < 0.2);
    }
}

#[test]
fn a_link_that_carries_less_is_found_kept_to_and_left_when_it_recovers() {
    let mut run = Run::new(ClientWish::default());
    let from = run.play(10, FAST, stream(None));
    assert!(run.sent[from..].iter().all(|it| it.quality.get() >= 70));
    let usual = run.bps(from);

    let narrow = usual * 0.6;
    run.play(10, narrow, stream(None));
    let dropped = run.dropped;
    let from = run.play(30, narrow, stream(None));
    let late = run.sent[from..]
        .iter()
        .filter(|it| it.way > Duration::from_millis(300));
    let late = late.count() as f64 / (run.sent.len() - from) as f64;
    assert!(late < 0.05, "{late} of the frames are late");
    assert_eq!(run.dropped, dropped, "nothing is dropped once it is found");
    let got = run.bps(from);
    assert!((0.6..1.0).contains(&(got / narrow)), "{got} on {narrow}");
    // A mixture of two levels changes every third frame at most; the levels themselves do not go to and fro.
    assert!(
        run.changes(from) <= 30 * 10,
        "{} changes",
        run.changes(from)
    );

    run.play(60, FAST, stream(None));
    let from = run.play(10, FAST, stream(None));
    assert!(run.sent[from..].iter().all(|it| it.quality.get() >= 70));
}

/// Frames at 30, the worst quality while the link is well, are 1.6 Mbit/s; at 10, while it is late, 1.1.
#[test]
fn below_the_worst_quality_frames_are_left_out() {
    for kbps in [1_200, 400, 50] {
        let mut run = Run::new(ClientWish {
            quality: None,
            kbps: Some(Bitrate::from_kbps(kbps).unwrap()),
        });
        run.play(5, FAST, stream(None));
        let from = run.play(60, FAST, stream(None));
        let ratio = run.bps(from) / (1000 * kbps) as f64;
        assert!((ratio - 1.0).abs() < 0.1, "{ratio} of {kbps} kbit/s");
        assert!(run.sent[from..].iter().all(|it| it.quality.get() == 30));
        let stats = run.rate.stats();
        assert_eq!(stats.frames + stats.frames_left_out, run.frame);
    }
    let mut run = Run::new(ClientWish::default());
    run.play(20, 0.6e6, stream(None));
    let dropped = run.dropped;
    let from = run.play(30, 0.6e6, stream(None));
    let late = run.sent[from..].iter();
    let late = late
        .filter(|it| it.way > Duration::from_millis(500))
        .count();
    assert!(late * 20 < run.sent.len() - from, "{late} frames are late");
    assert_eq!(run.dropped, dropped, "they are left out before the link");
    let ratio = run.bps(from) / 0.6e6;
    assert!((0.5..1.0).contains(&ratio), "{ratio} of the link");
}

#[test]
fn a_fixed_quality_is_sent_whatever_the_link_and_the_target() {
    for (choice, quality) in [
        (QualityChoice::Low, 50),
        (QualityChoice::Medium, 70),
        (QualityChoice::High, 90),
    ] {
        let mut run = Run::new(ClientWish {
            quality: Some(QualityWish::Named(choice)),
            kbps: None,
        });
        run.play(5, 1e6, stream(Some(500)));
        assert!(run.sent.iter().all(|it| it.quality.get() == quality));
        assert_eq!(run.rate.stats().target_bps, None);
    }
}
