//! The window whatever happens: never below its least nor above its most, and the choice of a controller by name.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use quic_session::CongestionControl;
use quic_session::congestion::{FairWindow, Loss};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    /// Sent so many µs ago.
    Ack(u64, u64),
    AcksEnd(u64),
    Loss(u64, Loss),
    Mtu(u16),
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![0..3000u64, 0..100_000_000u64, Just(u64::MAX)]
}

fn micros() -> impl Strategy<Value = u64> {
    prop_oneof![0..2000u64, 0..300_000u64, 0..100_000_000_000u64]
}

fn step() -> impl Strategy<Value = Step> {
    let loss = prop_oneof![
        4 => bytes().prop_map(Loss::Bytes),
        1 => Just(Loss::Mark),
        1 => Just(Loss::Persistent),
    ];
    prop_oneof![
        4 => micros().prop_map(Step::Wait),
        8 => (micros(), bytes()).prop_map(|(ago, bytes)| Step::Ack(ago, bytes)),
        6 => bytes().prop_map(Step::AcksEnd),
        3 => (micros(), loss).prop_map(|(ago, loss)| Step::Loss(ago, loss)),
        1 => any::<u16>().prop_map(Step::Mtu),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_window_stays_within_its_bounds(
        initial in bytes(),
        most in bytes(),
        mtu in any::<u16>(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let epoch = Instant::now();
        let mut now = epoch + Duration::from_secs(1);
        let mut window = FairWindow::new(initial, most, mtu, epoch);
        for step in steps {
            let sent = |ago| now.checked_sub(Duration::from_micros(ago)).unwrap_or(epoch);
            match step {
                Step::Wait(micros) => now += Duration::from_micros(micros),
                Step::Ack(ago, bytes) => window.on_ack(sent(ago), bytes),
                Step::AcksEnd(in_flight) => window.on_acks_end(now, in_flight),
                Step::Loss(ago, loss) => window.on_loss(now, sent(ago), loss),
                Step::Mtu(mtu) => window.on_mtu(mtu),
            }
            let bytes = window.bytes();
            prop_assert!(bytes >= window.least());
            prop_assert!(bytes <= most.max(window.least()), "{bytes} of {most}");
            prop_assert!(window.delivery_rate().is_finite());
        }
    }
}

#[test]
fn controls_are_known_by_name() {
    for control in CongestionControl::ALL {
        assert_eq!(control.to_string().parse(), Ok(control));
        let _ = control.factory().build(Instant::now(), 1200);
    }
    assert_eq!(CongestionControl::default(), CongestionControl::Fair);
    let unknown = "reno".parse::<CongestionControl>().unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "no congestion control is called \"reno\": say fair, cubic or bbr"
    );
}
