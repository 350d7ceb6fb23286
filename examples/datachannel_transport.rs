//! A whole video's frames over two simulated lanes, one of which dies on the way: nothing is lost,
//! nothing comes twice, and both ends prove it. `cargo run -p frameway-examples --example datachannel_transport`
#![allow(clippy::print_stdout)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datachannel_transport::{
    Encoding, FrameMeta, FrameReceiver, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame,
    ReceivedFrame, ReceiverConfig, SenderConfig, SenderEvent,
};

const FRAMES: u64 = 300;
const FRAME_INTERVAL_US: u64 = 33_333;
const STEP: Duration = Duration::from_millis(1);

/// A lane that carries 4 MB/s with a delay, in both directions, until it dies.
struct Lane {
    id: LaneId,
    delay: Duration,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
}

impl Lane {
    const BYTES_PER_STEP: usize = 4096;

    fn new(id: u32, delay_ms: u64) -> Self {
        let delay = Duration::from_millis(delay_ms);
        Self {
            id: LaneId(id),
            delay,
            up: VecDeque::new(),
            down: VecDeque::new(),
        }
    }

    fn step(
        &mut self,
        now: Instant,
        sender: &mut FrameSender,
        receiver: &mut FrameReceiver,
    ) -> anyhow::Result<()> {
        let mut message = Vec::new();
        if sender.poll_message(now, self.id, Self::BYTES_PER_STEP, &mut message) {
            self.up
                .push_back((now + self.delay, std::mem::take(&mut message)));
        }
        while receiver.poll_message(now, self.id, Self::BYTES_PER_STEP, &mut message) {
            self.down
                .push_back((now + self.delay, std::mem::take(&mut message)));
        }
        while let Some((_, message)) = self.up.pop_front_if(|(at, _)| *at <= now) {
            receiver.handle_message(now, self.id, &message)?;
        }
        while let Some((_, message)) = self.down.pop_front_if(|(at, _)| *at <= now) {
            sender.handle_message(now, self.id, &message)?;
        }
        Ok(())
    }
}

/// A frame of 10–30 kB whose bytes follow from its number.
fn frame(number: u64) -> OutgoingFrame {
    let len = 10_000 + (number * 7919) % 20_000;
    let payload: Vec<u8> = (0..len).map(|at| (at * 31 + number) as u8).collect();
    let meta = FrameMeta {
        source_id: number,
        pts_us: (number * FRAME_INTERVAL_US) as i64,
        duration_us: FRAME_INTERVAL_US as u32,
        width: 640,
        height: 360,
        encoding: Encoding::Opaque,
        quality: 0,
        keyframe: true,
        released_us: number * FRAME_INTERVAL_US,
    };
    OutgoingFrame {
        meta,
        payload: Bytes::from(payload),
    }
}

fn main() -> anyhow::Result<()> {
    let start = Instant::now();
    let mut now = start;
    let mut sender = FrameSender::new(SenderConfig::every_frame(2026, start))?;
    let mut receiver = FrameReceiver::new(ReceiverConfig::every_frame(start))?;
    let mut lanes = vec![Lane::new(0, 5), Lane::new(1, 20)];
    for lane in &lanes {
        sender.lane_opened(now, lane.id, LaneLimits::default())?;
        receiver.lane_opened(now, lane.id, LaneLimits::default())?;
    }
    println!(
        "{FRAMES} frames over {} (5 ms away) and {} (20 ms away)",
        lanes[0].id, lanes[1].id
    );

    let (mut offered, mut received): (u64, Vec<ReceivedFrame>) = (0, Vec::new());
    let (totals, verified) = 'link: loop {
        now += STEP;
        while offered < FRAMES && sender.offer(now, frame(offered)) == Offer::Queued {
            offered += 1;
        }
        if offered == FRAMES {
            sender.finish(now);
        }
        if received.len() as u64 >= FRAMES / 3 && lanes.len() == 2 {
            let dead = lanes.remove(0);
            println!(
                "{} dies with {} messages in flight",
                dead.id,
                dead.up.len() + dead.down.len()
            );
            sender.lane_closed(now, dead.id);
            receiver.lane_closed(now, dead.id);
        }
        for lane in &mut lanes {
            lane.step(now, &mut sender, &mut receiver)?;
        }
        received.extend(std::iter::from_fn(|| receiver.poll_frame()));
        while let Some(event) = sender.poll_event() {
            if let SenderEvent::Finished { totals, verified } = event {
                break 'link (totals, verified);
            }
        }
    };

    let in_order = received
        .iter()
        .zip(0..)
        .all(|(frame, number)| frame.sequence == number);
    let intact = received
        .iter()
        .all(|got| got.payload == frame(got.meta.source_id).payload);
    let ledger = sender.stats();
    let counters = ledger.counters;
    println!("after {:.2} s of their time:", (now - start).as_secs_f64());
    println!(
        "  offered {}  acked {}  sent again {}",
        counters.frames_offered, counters.frames_acked, counters.frames_resent
    );
    println!(
        "  received {}  in order {in_order}  intact {intact}  chunks twice {}",
        received.len(),
        receiver.stats().counters.chunks_duplicate
    );
    println!(
        "  {} frames, {} B, hash {:016x}, the same at both ends: {verified}",
        totals.frames, totals.bytes, totals.hash
    );
    println!(
        "  ack after {:.0} ms (p50), {:.0} ms (p95)",
        ledger.ack_ms.p50, ledger.ack_ms.p95
    );
    anyhow::ensure!(verified && in_order && intact, "the link lost something");
    Ok(())
}
