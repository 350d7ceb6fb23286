//! The QUIC lane beside the kernel's own TCP, and beside itself, over a wire between two network namespaces.
//!
//! Needs root; without it the figures are skipped with the reason.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::driver::{Machine, Wire, WireConfig, WireError};
use testkit::{Flow, LinkConfig, Transport};

use super::run::Binaries;
use super::tcp::{TcpFlow, available, transfer};
use super::{RUNS, listed};
use crate::table::{Table, median};

const LANES: [&str; 2] = ["--lanes", "quic"];
/// Half of the round trip.
const DELAY: Duration = Duration::from_millis(25);
/// 20 Mbit/s.
const RATE_BYTES_PER_S: u64 = 2_500_000;
/// What it carries in a round trip.
const BDP_BYTES: f64 = 125_000.0;
/// Shares are of the time between: how a flow starts is another matter.
const FROM: Duration = Duration::from_secs(10);
const UNTIL: Duration = Duration::from_secs(60);
/// How much later the second of two starts.
const LATER: Duration = Duration::from_secs(5);
/// More than passes until then.
const ENDLESS: &str = "opaque:?bytes=100000&frames=100000";
/// 50 MB: 20 s and more.
const ALONE: &str = "opaque:?bytes=100000&frames=500";
/// 200 MB.
const TRANSFER: &str = "opaque:?bytes=100000&frames=2000";
const TRANSFER_BYTES: u64 = 200_000_000;
/// What TCP needs to be held up by nothing but the path.
const TUNED_BUFFER_BYTES: usize = 64 << 20;
const QUIC_PORT: u16 = 4433;
const HTTP_PORT: u16 = 8090;

/// Bandwidth-delay products that may wait, and the figure.
const QUEUES: [(f64, &str); 3] = [
    (0.5, "quic-share-05"),
    (1.0, "quic-share-1"),
    (4.0, "quic-share-4"),
];
/// Chance of a packet's loss each way, and the figure.
const LOSSES: [(f64, &str); 2] = [(0.01, "quic-tcp-1"), (0.05, "quic-tcp-5")];

/// Measures those that are wanted, or says of each why not.
pub(super) fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    for (queue_bdp, figure) in QUEUES {
        one(figure, table, |table| {
            beside_tcp(queue_bdp, figure, binaries, table)
        })?;
    }
    one("quic-two", table, |table| two(binaries, table))?;
    one("quic-alone-1", table, |table| alone(binaries, table))?;
    for (loss, figure) in LOSSES {
        one(figure, table, |table| {
            against_tcp(loss, figure, binaries, table)
        })?;
    }
    Ok(())
}

fn one(
    figure: &str,
    table: &mut Table,
    measure: impl FnOnce(&mut Table) -> Result<()>,
) -> Result<()> {
    if !table.wants(&[figure]) {
        return Ok(());
    }
    match measure(table) {
        Err(error) if error.is::<WireError>() => Ok(table.skipped(figure, &error.to_string())?),
        other => other,
    }
}

/// The data's way is narrow, the way back is only long.
fn narrow(queue_bdp: f64, loss: f64) -> WireConfig {
    let back = LinkConfig {
        delay: DELAY,
        loss,
        ..LinkConfig::datagrams()
    };
    let out = LinkConfig {
        rate_bytes_per_s: Some(RATE_BYTES_PER_S),
        queue_bytes: (BDP_BYTES * queue_bdp) as usize,
        ..back
    };
    WireConfig {
        out,
        back,
        ..WireConfig::default()
    }
}

/// Both start together; one TCP CUBIC flow.
fn beside_tcp(queue_bdp: f64, figure: &str, binaries: &Binaries, table: &mut Table) -> Result<()> {
    let cubic = available(&["cubic"])?;
    let wire = Wire::new(&narrow(queue_bdp, 0.0))?;
    let worker = binaries.worker_on(wire.far(), &worker_at(wire.far()))?;
    let _ours = Sending::start(binaries, &wire, worker.first_line())?;
    let theirs = TcpFlow::start(&wire, cubic)?;
    let rates = Rates::measure(&wire);
    let ours = rates.of(is_quic);
    let tcp = rates.of(|flow| flow.transport == Transport::Tcp && flow.to_port == theirs.port());
    let detail = format!(
        "{ours:.1} Mbit/s beside {tcp:.1} of TCP CUBIC, from the 10th to the 60th second; {:.2} % dropped",
        rates.dropped_percent
    );
    Ok(table.measured(figure, 100.0 * ours / (ours + tcp), &detail)?)
}

/// The second starts later; a queue of one bandwidth-delay product.
fn two(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let wire = Wire::new(&narrow(1.0, 0.0))?;
    let worker = binaries.worker_on(wire.far(), &worker_at(wire.far()))?;
    let _first = Sending::start(binaries, &wire, worker.first_line())?;
    std::thread::sleep(LATER);
    let known = quic_ports(&wire);
    let _second = Sending::start(binaries, &wire, worker.first_line())?;
    let rates = Rates::measure(&wire);
    let first = rates.of(|flow| is_quic(flow) && known.contains(&flow.from_port));
    let second = rates.of(|flow| is_quic(flow) && !known.contains(&flow.from_port));
    let detail = format!(
        "{first:.1} and {second:.1} Mbit/s, from the 10th to the 60th second of the second flow; {:.2} % dropped",
        rates.dropped_percent
    );
    Ok(table.measured("quic-two", 100.0 * first / (first + second), &detail)?)
}

/// Nobody else there, one packet of a hundred lost each way.
fn alone(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let wire = Wire::new(&narrow(1.0, 0.01))?;
    let outcome = binaries.run_on(&wire, &worker_at(wire.far()), ALONE, &LANES)?;
    let tcp = transfer(&wire, available(&["cubic"])?, 5_000_000)?;
    let detail = format!(
        "50 MB of frames, from the first offered to the last result; TCP CUBIC with 5 MB {:.1} Mbit/s",
        8.0 * tcp
    );
    Ok(table.measured(
        "quic-alone-1",
        8.0 * outcome.megabytes_per_second(),
        &detail,
    )?)
}

/// No bottleneck but the processors; in turn.
fn against_tcp(loss: f64, figure: &str, binaries: &Binaries, table: &mut Table) -> Result<()> {
    let way = LinkConfig {
        delay: DELAY,
        loss,
        queue_bytes: 8 << 20,
        ..LinkConfig::datagrams()
    };
    let (out, back) = (way, way);
    let congestion = available(&["bbr", "cubic"])?;
    let (mut ours, mut theirs, mut tuned) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 1..=RUNS as u64 {
        let mut config = WireConfig {
            out,
            back,
            seed,
            ..WireConfig::default()
        };
        let wire = Wire::new(&config)?;
        let outcome = binaries.run_on(&wire, &worker_at(wire.far()), TRANSFER, &LANES)?;
        ours.push(outcome.megabytes_per_second());
        theirs.push(transfer(&wire, congestion, TRANSFER_BYTES)?);
        drop(wire);
        config.tcp_buffer_bytes = Some(TUNED_BUFFER_BYTES);
        let wire = Wire::new(&config)?;
        tuned.push(transfer(&wire, congestion, TRANSFER_BYTES)?);
    }
    let detail = format!(
        "200 MB: {} MB/s beside {} of TCP {} with the system's buffers, {} with 64 MiB",
        listed(&ours),
        listed(&theirs),
        if congestion == "bbr" {
            "BBR"
        } else {
            "CUBIC, for this kernel has no BBR,"
        },
        listed(&tuned)
    );
    Ok(table.measured(figure, median(&mut ours) / median(&mut theirs), &detail)?)
}

/// How a worker is called there.
fn worker_at(machine: &Machine) -> [String; 9] {
    let at = |port: u16| format!("{}:{port}", machine.address());
    let quic = at(QUIC_PORT);
    let none = ["--processor", "none", "--insecure"].map(str::to_owned);
    let [processor, name, insecure] = none;
    let (http, udp) = ("--http".to_owned(), "--udp".to_owned());
    [
        processor,
        name,
        insecure,
        http,
        at(HTTP_PORT),
        udp,
        at(0),
        "--quic".to_owned(),
        quic,
    ]
}

fn is_quic(flow: &Flow) -> bool {
    flow.transport == Transport::Udp && flow.to_port == QUIC_PORT
}

/// Where the senders so far send from.
fn quic_ports(wire: &Wire) -> Vec<u16> {
    let flows = wire.out().flow_bytes.into_keys();
    flows.filter(is_quic).map(|flow| flow.from_port).collect()
}

/// A sender of frames without end, on the near machine; it ends when dropped.
struct Sending(Child);

impl Sending {
    fn start(binaries: &Binaries, wire: &Wire, to: &str) -> Result<Self> {
        let mut command = binaries.sender_on(wire.near(), to, ENDLESS, &LANES);
        Ok(Self(command.spawn().context("frame-sender")?))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came out of the bottleneck between [`FROM`] and [`UNTIL`], headers included.
struct Rates {
    mbps: Vec<(Flow, f64)>,
    dropped_percent: f64,
}

impl Rates {
    fn measure(wire: &Wire) -> Self {
        std::thread::sleep(FROM);
        let (before, began) = (wire.out(), Instant::now());
        std::thread::sleep(UNTIL - FROM);
        let (after, seconds) = (wire.out(), began.elapsed().as_secs_f64());
        let rate = |(flow, bytes): (Flow, u64)| {
            let earlier = before.flow_bytes.get(&flow).copied().unwrap_or_default();
            (flow, (bytes - earlier) as f64 * 8e-6 / seconds)
        };
        let received = (after.path.received - before.path.received).max(1);
        let dropped = after.path.dropped_full - before.path.dropped_full;
        Self {
            mbps: after.flow_bytes.into_iter().map(rate).collect(),
            dropped_percent: 100.0 * dropped as f64 / received as f64,
        }
    }

    fn of(&self, which: impl Fn(&Flow) -> bool) -> f64 {
        let those = self.mbps.iter().filter(|(flow, _)| which(flow));
        those.map(|(_, mbps)| mbps).sum()
    }
}
