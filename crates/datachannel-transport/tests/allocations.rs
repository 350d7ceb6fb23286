//! What a frame costs the allocator once a link runs: its own payload at the receiver, and hardly more.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use datachannel_transport::{
    FrameReceiver, FrameSender, LaneId, Offer, OutgoingFrame, ReceiverConfig, SenderConfig,
};
use support::{EPOCH, LANE, Link, frame};

const FRAME_BYTES: usize = 100_000;
const OTHER: LaneId = LaneId(1);

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what the test's own thread allocates.
struct Counting;

fn count() {
    // A thread that is ending has no counter any more, and is not the test's.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A link whose messages lie in buffers that were made before.
struct Reusing {
    link: Link,
    messages: Vec<Vec<u8>>,
    frame: OutgoingFrame,
    next_id: u64,
}

impl Reusing {
    fn new(sender: SenderConfig, receiver: ReceiverConfig) -> Self {
        let now = sender.clock_origin;
        // Pings as they are by default.
        let mut link = Link {
            now,
            sender: FrameSender::new(sender).unwrap(),
            receiver: FrameReceiver::new(receiver).unwrap(),
        };
        link.open(LANE);
        link.open(OTHER);
        Self {
            link,
            messages: (0..200).map(|_| Vec::with_capacity(20_000)).collect(),
            frame: frame(0, FRAME_BYTES),
            next_id: 0,
        }
    }

    /// `frames` frames under way at once, from offer to ack.
    fn round(&mut self, frames: usize) {
        let Link {
            now,
            sender,
            receiver,
        } = &mut self.link;
        for _ in 0..frames {
            let mut frame = self.frame.clone();
            frame.meta.source_id = self.next_id;
            self.next_id += 1;
            assert_eq!(sender.offer(*now, frame), Offer::Queued);
        }
        for lane in [LANE, OTHER] {
            let mut used = 0;
            while sender.poll_message(*now, lane, 65_536, &mut self.messages[used]) {
                used += 1;
            }
            for message in &mut self.messages[..used] {
                receiver.handle_message(*now, lane, message).unwrap();
                message.clear();
            }
        }
        for _ in 0..frames {
            assert_eq!(receiver.poll_frame().unwrap().payload.len(), FRAME_BYTES);
        }
        let message = &mut self.messages[0];
        for lane in [LANE, OTHER] {
            while receiver.poll_message(*now, lane, 65_536, message) {
                sender.handle_message(*now, lane, message).unwrap();
                message.clear();
            }
        }
        while sender.poll_event().is_some() {}
        while receiver.poll_event().is_some() {}
    }

    fn allocations_per_frame(&mut self, under_way: usize) -> f64 {
        const ROUNDS: usize = 100;
        (0..20).for_each(|_| self.round(under_way));
        let before = ALLOCATIONS.get();
        (0..ROUNDS).for_each(|_| self.round(under_way));
        (ALLOCATIONS.get() - before) as f64 / (ROUNDS * under_way) as f64
    }
}

#[test]
fn a_frame_costs_two_allocations_at_most() {
    let now = std::time::Instant::now();
    let every = (
        SenderConfig::every_frame(EPOCH, now),
        ReceiverConfig::every_frame(now),
    );
    let realtime = (
        SenderConfig::realtime(EPOCH, now),
        ReceiverConfig::realtime(now),
    );
    for ((sender, receiver), under_way) in [(every, 1), (every, 16), (realtime, 1)] {
        let mut link = Reusing::new(sender, receiver);
        let each = link.allocations_per_frame(under_way);
        let mode = sender.mode;
        eprintln!("{mode:?}, {under_way} under way: {each:.2} allocations per frame");
        assert!(each <= 2.0, "{mode:?}, {under_way} under way: {each:.2}");
        assert!(each >= 1.0, "nothing was counted: {each:.2}");
    }
}
