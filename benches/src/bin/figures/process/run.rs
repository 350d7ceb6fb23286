//! One run of frame-sender against a frame-worker of its own, with what it cost.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use testkit::driver::{BadLink, BadLinkConfig, ChildServer, Machine, Wire};

use crate::args::Args;
use crate::procfs::CpuTimes;

const START_DEADLINE: Duration = Duration::from_secs(30);
/// How often the sender's memory and time are read while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Both programs.
pub(super) struct Binaries {
    sender: PathBuf,
    worker: PathBuf,
}

/// What a run came to.
pub(super) struct Outcome {
    pub(super) summary: Value,
    pub(super) sender_peak_bytes: u64,
    pub(super) worker_peak_bytes: u64,
    pub(super) sender_cpu_seconds: f64,
    pub(super) worker_cpu_seconds: f64,
}

impl Outcome {
    fn number(&self, field: &str) -> f64 {
        self.summary[field].as_f64().unwrap_or_default()
    }

    /// Payload, from the first frame offered until the last result was written.
    pub(super) fn megabytes_per_second(&self) -> f64 {
        self.number("bytes") / 1e6 / self.number("seconds")
    }

    pub(super) fn fps(&self) -> f64 {
        self.number("fps")
    }
}

impl Binaries {
    /// Those beside this program, or beside the server that was named.
    pub(super) fn find(args: &Args) -> Result<Self> {
        let folder = match &args.server {
            Some(server) => server.parent().map(Path::to_owned),
            None => std::env::current_exe()?.parent().map(Path::to_owned),
        };
        let folder = folder.ok_or_else(|| anyhow!("no folder to find frame-sender in"))?;
        let found = |name: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            ensure!(
                path.is_file(),
                "no {name} at {}; `cargo build --release -p {name}`",
                path.display()
            );
            Ok(path)
        };
        Ok(Self {
            sender: found("frame-sender")?,
            worker: found("frame-worker")?,
        })
    }

    pub(super) fn worker(&self, http: &str, arguments: &[&str]) -> Result<ChildServer> {
        let mut command = Command::new(&self.worker);
        command.args(["--http", http]);
        started(command, arguments)
    }

    /// On a machine of the kernel's; the arguments say where it listens.
    pub(super) fn worker_on<S: AsRef<OsStr>>(
        &self,
        machine: &Machine,
        arguments: &[S],
    ) -> Result<ChildServer> {
        started(machine.command(&self.worker), arguments)
    }

    pub(super) fn sender(&self, to: &str, input: &str, arguments: &[&str]) -> Command {
        sending(Command::new(&self.sender), to, input, arguments)
    }

    pub(super) fn sender_on(
        &self,
        machine: &Machine,
        to: &str,
        input: &str,
        arguments: &[&str],
    ) -> Command {
        sending(machine.command(&self.sender), to, input, arguments)
    }

    /// Straight from one to the other.
    pub(super) fn run(&self, worker: &[&str], input: &str, sender: &[&str]) -> Result<Outcome> {
        let worker = self.worker("127.0.0.1:0", worker)?;
        let to = worker.first_line().to_owned();
        run(&worker, self.sender(&to, input, sender))
    }

    /// From one end of a wire to the other.
    pub(super) fn run_on<S: AsRef<OsStr>>(
        &self,
        wire: &Wire,
        worker: &[S],
        input: &str,
        sender: &[&str],
    ) -> Result<Outcome> {
        let worker = self.worker_on(wire.far(), worker)?;
        let to = worker.first_line().to_owned();
        run(&worker, self.sender_on(wire.near(), &to, input, sender))
    }

    /// Through a bad link.
    pub(super) fn run_through(
        &self,
        link: BadLinkConfig,
        worker: &[&str],
        input: &str,
        sender: &[&str],
    ) -> Result<Outcome> {
        let worker = self.worker("127.0.0.1:0", worker)?;
        let link = BadLink::to_http(http_address(&worker)?, link)?;
        let to = format!("http://{}", link.address());
        run(&worker, self.sender(&to, input, sender))
    }
}

fn started<S: AsRef<OsStr>>(mut command: Command, arguments: &[S]) -> Result<ChildServer> {
    command.args(arguments).env("RUST_LOG", "error");
    Ok(ChildServer::start(command, START_DEADLINE)?)
}

fn sending(mut command: Command, to: &str, input: &str, arguments: &[&str]) -> Command {
    command
        .args(["--to", to, "--input", input, "--progress", "none"])
        .args(arguments);
    command
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// A sender until it ends, and what both cost.
fn run(worker: &ChildServer, mut sender: Command) -> Result<Outcome> {
    let worker_before = CpuTimes::read(worker.id())?;
    let mut sender = sender.spawn()?;
    let (mut peak, mut cpu) = (0, 0.0);
    while sender.try_wait()?.is_none() {
        // What the process had a moment before it ended is what it had.
        peak = peak_bytes(sender.id()).unwrap_or(peak);
        cpu = cpu_seconds(sender.id()).unwrap_or(cpu);
        std::thread::sleep(LOOK_EVERY);
    }
    let output = sender.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let summary = text
        .lines()
        .last()
        .context("frame-sender printed nothing")?;
    if !output.status.success() {
        bail!("frame-sender failed: {summary}");
    }
    let worker_cpu = CpuTimes::read(worker.id())?.since(&worker_before);
    Ok(Outcome {
        summary: serde_json::from_str(summary)?,
        sender_peak_bytes: peak,
        worker_peak_bytes: peak_bytes(worker.id()).unwrap_or(0),
        sender_cpu_seconds: cpu,
        worker_cpu_seconds: worker_cpu.percent("") / 100.0 * worker_cpu.wall.as_secs_f64(),
    })
}

pub(super) fn http_address(worker: &ChildServer) -> Result<SocketAddr> {
    let address = worker.first_line().trim_start_matches("http://");
    Ok(address.parse()?)
}

/// The most that was ever resident (`VmHWM`, proc_pid_status(5)).
fn peak_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

/// Time on a core, of threads that have ended too (fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms).
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}
