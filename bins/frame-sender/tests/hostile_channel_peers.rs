//! Peers of data channels that break the protocol, open channels without end, take nothing or fall silent: each costs its own
//! session at most, with a count, and others go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/raw_channels.rs"]
mod raw_channels;
mod support;

use raw_channels::{RawPeer, Says};
use support::{DEADLINE, Run, Scene};
use testkit::driver::wait_until;
use webrtc_session::MessageKind;

const LINKS_BROKEN: &str = "frameway_worker_links_broken_total";
const CHANNELS_REFUSED: &str = "frameway_worker_channels_refused_total";
const HELD_BYTES: &str = "frameway_worker_held_bytes";

fn closed(reason: &str) -> String {
    format!("frameway_worker_sessions_closed_total{{reason=\"{reason}\"}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_protocol_ends_that_link_alone() {
    let scene = Scene::begin(1_500, "data:1");
    let binary = |bytes: &[u8]| (MessageKind::Binary, bytes.to_vec());
    let nonsense = [
        binary(&[0xc1]),                                        // no message at all
        binary(&[0x93, 1, 5]),                                  // cut short
        binary(&[0x96, 1, 3, 1, 9, 0xcd, 0x03, 0xe8, 0]),       // the end of frames that never came
        binary(&[0xff; 2_000]),                                 // nonsense
        binary(&[0xdd, 0xff, 0xff, 0xff, 0xff]),                // an array of 4 Gi elements
        (MessageKind::Text, b"{\"type\": \"hello\"}".to_vec()), // text where frames are binary
    ];
    for (count, message) in (1..).zip(nonsense) {
        let said = format!("{message:x?}");
        let says = Says::Messages(vec![message]);
        let mut peer = RawPeer::join(&scene.worker, 10 + count, says, 0).await;
        // However long the peer would stay.
        peer.closed().await;
        scene.worker.metric_reaches(LINKS_BROKEN, count);
        let broken = scene.worker.metric(LINKS_BROKEN);
        assert_eq!(broken, count, "after {said}");
    }
    scene.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_never_end_never_read_or_fall_silent_are_held_to_their_limits() {
    let scene = Scene::begin(7_500, "data:1");
    let worker = &scene.worker;

    // One that sends frames and takes no result: as many are held as a link's window has, and no more are taken.
    let says = Says::FramesWithoutEnd(200_000);
    let greedy = RawPeer::join(worker, 10, says, 0).await;
    worker.metric_reaches(HELD_BYTES, 6_000_000);

    // Channels without end.
    let nothing = || Says::Messages(Vec::new());
    let mut flooder = RawPeer::join(worker, 11, nothing(), 200).await;
    flooder.closed().await;
    worker.metric_reaches(&closed("channels"), 1);
    assert!(worker.metric(CHANNELS_REFUSED) > 64);

    // A machine that goes to sleep with frames under way, and wakes when its session is long closed.
    let input = "opaque:?bytes=100000&frames=600";
    let sleeper = Run::new(worker.address(), input, &["--lanes", "data:1"]);
    let sleeping = sleeper.start();
    sleeper.reached(20);
    sleeping.signal("STOP");
    let mut most_held = 0;
    let was_closed = wait_until(DEADLINE, || {
        most_held = most_held.max(worker.metric(HELD_BYTES));
        worker.metric(&closed("silent")) == 1
    });
    assert!(was_closed, "{}", worker.stderr());
    sleeping.signal("CONT");
    sleeping.finish().assert_whole(600);
    sleeper.assert_each_frame_once(600);

    // Three links, each of which may hold 32 MiB.
    assert!(most_held <= 3 * (32 << 20), "{most_held} B held");
    assert!(greedy.is_connected());
    assert_eq!(greedy.confirmed(), 0);
    scene.end();
}
