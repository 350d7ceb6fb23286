//! The controller that quinn calls: [`FairWindow`] behind quinn's `Controller`, and its configuration.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};

use super::window::{FairWindow, Loss};
use crate::driver::common_moment;

/// What a sender's first window holds: a JPEG frame of 90 kB, at once. RFC 9002 §7.2 recommends ten, Google's QUIC has 32, of which a frame takes
/// another round trip; it leaves paced over most of one.
const INITIAL_PACKETS: u64 = 64;
/// 64 MiB: 640 MB/s at an RTT of 100 ms.
const MOST_BYTES: u64 = 64 << 20;

/// Configuration of [`Fair`], and its factory.
#[derive(Clone, Debug)]
pub struct FairConfig {
    /// The first window in packets. Default 64; at least 4.
    pub initial_packets: u64,
    /// The largest window in bytes. Default 64 MiB; below 4 GiB, for quinn does not pace above.
    pub most_bytes: u64,
    /// Flows look at the path every 5 s from here on: those that share it at the same moments, if they count from the same. Default:
    /// multiples of 20 s by the wall clock.
    pub looks_from: Instant,
}

impl Default for FairConfig {
    fn default() -> Self {
        Self {
            initial_packets: INITIAL_PACKETS,
            most_bytes: MOST_BYTES,
            looks_from: common_moment(),
        }
    }
}

impl ControllerFactory for FairConfig {
    fn build(self: Arc<Self>, _now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let initial = self.initial_packets.saturating_mul(u64::from(current_mtu));
        let most = self.most_bytes.min(u64::from(u32::MAX));
        let window = FairWindow::new(initial, most, current_mtu, self.looks_from);
        Box::new(Fair {
            initial: window.bytes(),
            window,
        })
    }
}

/// quinn's view of a [`FairWindow`].
#[derive(Clone, Debug)]
pub struct Fair {
    initial: u64,
    window: FairWindow,
}

impl Controller for Fair {
    fn on_ack(&mut self, _: Instant, sent: Instant, bytes: u64, _: bool, _: &RttEstimator) {
        self.window.on_ack(sent, bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _: bool, _: Option<u64>) {
        self.window.on_acks_end(now, in_flight);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, lost: u64) {
        let loss = match (persistent, lost) {
            (true, _) => Loss::Persistent,
            (false, 0) => Loss::Mark,
            (false, bytes) => Loss::Bytes(bytes),
        };
        self.window.on_loss(now, sent, loss);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.window.on_mtu(new_mtu);
    }

    fn window(&self) -> u64 {
        self.window.bytes()
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.initial
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
