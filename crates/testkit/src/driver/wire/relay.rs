//! One way of a wire: what leaves a machine goes into the path, what is due goes out at the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::SyncDevice;

use super::Carried;
use crate::{DatagramPath, Flow, LinkConfig};

/// Packets each way before the other way has its turn.
const BATCH: usize = 64;
/// How soon the end is noticed. A packet that is due is never late by it.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// Flows that are told apart.
const MAX_FLOWS: usize = 64;
/// No packet is longer.
const MAX_PACKET_BYTES: usize = 65_535;

pub(super) struct Relay {
    from: Arc<SyncDevice>,
    to: Arc<SyncDevice>,
    path: DatagramPath,
    packet: Vec<u8>,
    arrived: Vec<(Option<Flow>, u64)>,
    unsent: u64,
}

impl Relay {
    pub(super) fn new(
        from: Arc<SyncDevice>,
        to: Arc<SyncDevice>,
        config: LinkConfig,
        seed: u64,
    ) -> Self {
        Self {
            from,
            to,
            path: DatagramPath::new(config, seed),
            packet: vec![0; MAX_PACKET_BYTES],
            arrived: Vec::with_capacity(BATCH),
            unsent: 0,
        }
    }

    pub(super) fn run(mut self, stop: &AtomicBool, carried: &Mutex<Carried>) {
        while !stop.load(Ordering::Relaxed) {
            self.wait();
            self.take();
            self.give();
            self.count(&mut carried.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Until a packet has come or is due.
    fn wait(&self) {
        let wait = self.path.next_due().map_or(LONGEST_WAIT, |due| {
            due.saturating_duration_since(Instant::now())
                .min(LONGEST_WAIT)
        });
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: wait.subsec_nanos().into(),
        };
        let mut device = [PollFd::new(&*self.from, PollFlags::IN)];
        let waited = poll(&mut device, Some(&timeout));
        // A device whose namespace is gone is always ready, and has nothing.
        if waited.is_err()
            || device[0]
                .revents()
                .intersects(PollFlags::ERR | PollFlags::HUP)
        {
            thread::sleep(wait.min(Duration::from_millis(1)));
        }
    }

    fn take(&mut self) {
        for _ in 0..BATCH {
            let Ok(len) = self.from.recv(&mut self.packet) else {
                return;
            };
            self.path.push(Instant::now(), self.packet[..len].to_vec());
        }
    }

    fn give(&mut self) {
        let now = Instant::now();
        for _ in 0..BATCH {
            let Some(packet) = self.path.pop(now) else {
                return;
            };
            match self.to.send(&packet) {
                Ok(_) => self.arrived.push((Flow::of(&packet), packet.len() as u64)),
                // Whatever it says, the packet is gone.
                Err(_) => self.unsent += 1,
            }
        }
    }

    fn count(&mut self, carried: &mut Carried) {
        carried.path = self.path.stats();
        carried.unsent = self.unsent;
        for (flow, bytes) in self.arrived.drain(..) {
            let Some(flow) = flow else { continue };
            let flows = &mut carried.flow_bytes;
            if flows.len() < MAX_FLOWS || flows.contains_key(&flow) {
                *flows.entry(flow).or_default() += bytes;
            }
        }
    }
}
