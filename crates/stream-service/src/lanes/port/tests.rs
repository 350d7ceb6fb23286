//! What a link that takes lanes over is told, and what one that gave them up is not.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Writes down what it is told.
struct Link {
    name: &'static str,
    heard: Mutex<Vec<String>>,
}

impl Link {
    fn new(name: &'static str) -> Arc<Self> {
        let heard = Mutex::default();
        Arc::new(Self { name, heard })
    }

    fn note(&self, what: String) {
        self.heard.lock().unwrap().push(what);
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

impl LinkEnd for Link {
    fn joined(&self, _: Instant, lane: LaneId, number: u8) {
        self.note(format!("{} joined as {number}", lane.0));
    }

    fn attached(&self, lane: LaneId, waker: LaneWaker) {
        waker();
        self.note(format!("{} attached", lane.0));
    }

    fn opened(&self, _: Instant, lane: LaneId, opened: &Opened<'_>) -> bool {
        self.note(format!(
            "{} {:?} {}",
            lane.0, opened.channel, opened.protocol
        ));
        opened.channel != Channel::Pictures
    }

    fn message(&self, _: Instant, lane: LaneId, _: Channel, _: bool, message: &[u8]) {
        self.note(format!("{} says {message:?}", lane.0));
    }

    fn poll(
        &self,
        _: Instant,
        _: LaneId,
        _: Channel,
        _: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        out.extend_from_slice(self.name.as_bytes());
        Some(MessageKind::Binary)
    }

    fn closed(&self, _: Instant, lane: LaneId, why: &str) {
        self.note(format!("{} closed: {why}", lane.0));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn on_timeout(&self, _: Instant) {}
}

fn opened(channel: Channel, protocol: &str) -> Opened<'_> {
    Opened {
        channel,
        limits: LaneLimits {
            max_message_bytes: 2048,
            ..LaneLimits::default()
        },
        max_message_bytes: 4096,
        protocol,
    }
}

fn polled(port: &Port<Link>) -> String {
    let mut out = Vec::new();
    port.poll(Instant::now(), LaneId(7), Channel::Frames, 100, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_next_link_gets_the_lanes_as_they_are_and_the_former_nothing_more() {
    let (now, first, second) = (Instant::now(), Link::new("first"), Link::new("second"));
    let port = Port::new(Arc::clone(&first));
    let woken = Arc::new(AtomicU32::new(0));
    let waker = Arc::clone(&woken);
    port.join(now, LaneId(7), 3);
    port.attached(
        LaneId(7),
        Arc::new(move || {
            waker.fetch_add(1, Ordering::Relaxed);
        }),
    );
    assert!(port.opened(now, LaneId(7), &opened(Channel::Frames, "")));
    assert!(!port.opened(now, LaneId(7), &opened(Channel::Pictures, "p")));
    first.heard();

    let former = port.hand_over(now, &second, true);
    assert_eq!(former.heard(), ["7 closed: the next link has it"]);
    assert_eq!(
        second.heard(),
        ["7 joined as 3", "7 attached", "7 Frames "],
        "a refused channel stays refused"
    );
    assert_eq!(polled(&port), "", "it is muted");
    let before = woken.load(Ordering::Relaxed);
    port.unmute();
    assert_eq!(woken.load(Ordering::Relaxed), before + 1);
    assert_eq!(polled(&port), "second");
    port.message(now, LaneId(7), Channel::Frames, true, &[1]);
    assert_eq!(second.heard(), ["7 says [1]"]);
    assert_eq!(former.heard(), Vec::<String>::new());
}

#[test]
fn a_lane_that_closed_is_not_handed_over() {
    let (now, second) = (Instant::now(), Link::new("second"));
    let port = Port::new(Link::new("first"));
    port.join(now, LaneId(1), 0);
    port.join(now, LaneId(2), 1);
    port.closed(now, LaneId(1), "cut");
    port.hand_over(now, &second, false);
    assert_eq!(second.heard(), ["2 joined as 1"]);
    port.forget_lanes(now);
    assert_eq!(second.heard(), ["2 closed: the peer was started anew"]);
    assert_eq!(port.numbered(1, LaneId(9)), []);
}
