//! Two machines, as far as the kernel can pretend, and a bad wire between them: for what [`BadLink`](super::BadLink) cannot
//! carry, such as the kernel's own TCP.
//!
//! Each machine is a network namespace whose only device is a TUN; its packets come to a thread here, go through a
//! [`DatagramPath`](crate::DatagramPath), and out at the other. Needs root, `ip` and /dev/net/tun; no module for impairments.

mod machine;
mod relay;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tun_rs::SyncDevice;

use crate::{Flow, LinkConfig, PathStats};
pub use machine::Machine;
use relay::Relay;

static NAMED: AtomicU32 = AtomicU32::new(0);

/// Where each machine is, on a network of its own that nobody else sees.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 78, 0, 1), Ipv4Addr::new(10, 78, 0, 2)];

/// How a wire begins.
#[derive(Debug, Clone, Copy)]
pub struct WireConfig {
    /// From the near machine to the far one. Bytes are those of whole IP packets. Default [`LinkConfig::datagrams`].
    pub out: LinkConfig,
    /// From the far machine to the near one. Default [`LinkConfig::datagrams`].
    pub back: LinkConfig,
    /// Of all chances. Default 1.
    pub seed: u64,
    /// What TCP may buffer at most at either end, for a connection. Default: as the system has it.
    pub tcp_buffer_bytes: Option<usize>,
}

impl Default for WireConfig {
    fn default() -> Self {
        Self {
            out: LinkConfig::datagrams(),
            back: LinkConfig::datagrams(),
            seed: 1,
            tcp_buffer_bytes: None,
        }
    }
}

/// Why there is no wire.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A network namespace could not be made or set up.
    #[error("{command}: {said}; network namespaces need root, and ip of iproute2")]
    Namespace {
        /// What was run.
        command: String,
        /// What it, or the system, said.
        said: String,
    },
    /// There is no TUN device to be had.
    #[error("no TUN device: {source}; it needs root and /dev/net/tun")]
    Device {
        /// What the system said.
        source: io::Error,
    },
    /// A thread could not be started, or could not get into a namespace.
    #[error("no thread in a network namespace: {source}")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}

/// What one way carried.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// What became of the packets.
    pub path: PathStats,
    /// Bytes that arrived, of the first 64 flows.
    pub flow_bytes: BTreeMap<Flow, u64>,
    /// Packets that the system refused to take.
    pub unsent: u64,
}

/// What both threads share with their owner.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    out: Mutex<Carried>,
    back: Mutex<Carried>,
}

/// Two machines and the wire. Everything goes when it is dropped, with the processes' connections; the processes do not.
#[derive(Debug)]
pub struct Wire {
    near: Machine,
    far: Machine,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Wire {
    /// Makes both machines and joins them.
    ///
    /// # Errors
    /// [`WireError`], which says what it would need.
    pub fn new(config: &WireConfig) -> Result<Self, WireError> {
        let number = NAMED.fetch_add(1, Ordering::Relaxed);
        let named = |end: &str| format!("fw{}-{number}-{end}", std::process::id());
        let near = Machine::new(named("near"), ADDRESSES[0])?;
        let far = Machine::new(named("far"), ADDRESSES[1])?;
        if let Some(most_bytes) = config.tcp_buffer_bytes {
            near.allow_tcp_buffers(most_bytes)?;
            far.allow_tcp_buffers(most_bytes)?;
        }
        let device =
            |end: &str| device(&format!("fw{}-{number}{end}", std::process::id() % 100_000));
        let (near_device, far_device) = (device("n")?, device("f")?);
        near.plug(&near_device)?;
        far.plug(&far_device)?;
        let (near_device, far_device) = (Arc::new(near_device), Arc::new(far_device));
        let mut wire = Self {
            near,
            far,
            shared: Arc::default(),
            threads: Vec::new(),
        };
        let out = Relay::new(
            Arc::clone(&near_device),
            Arc::clone(&far_device),
            config.out,
            config.seed,
        );
        let back = Relay::new(far_device, near_device, config.back, config.seed ^ u64::MAX);
        wire.start("wire-out", out, |shared| &shared.out)?;
        wire.start("wire-back", back, |shared| &shared.back)?;
        Ok(wire)
    }

    fn start(
        &mut self,
        name: &str,
        relay: Relay,
        carried: fn(&Shared) -> &Mutex<Carried>,
    ) -> Result<(), WireError> {
        let shared = Arc::clone(&self.shared);
        let run = move || relay.run(&shared.stop, carried(&shared));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        self.threads
            .push(thread.map_err(|source| WireError::Thread { source })?);
        Ok(())
    }

    /// The machine at this end.
    pub fn near(&self) -> &Machine {
        &self.near
    }

    /// The machine at the other.
    pub fn far(&self) -> &Machine {
        &self.far
    }

    /// What came from the near machine to the far one so far.
    pub fn out(&self) -> Carried {
        self.shared
            .out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What came from the far machine to the near one so far.
    pub fn back(&self) -> Carried {
        self.shared
            .back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It ends the same if it panicked.
            let _ = thread.join();
        }
    }
}

/// A TUN that hands out plain IP packets and takes them, without waiting.
fn device(name: &str) -> Result<SyncDevice, WireError> {
    let failed = |source| WireError::Device { source };
    let device = tun_rs::DeviceBuilder::new().name(name).enable(false);
    let device = device.build_sync().map_err(failed)?;
    rustix::io::ioctl_fionbio(&device, true).map_err(|error| failed(error.into()))?;
    Ok(device)
}
