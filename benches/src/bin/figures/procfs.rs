//! CPU time, memory and lost datagrams, as Linux counts them.
//!
//! Fed by /proc; feeds the measurements. CPU time is the scheduler's own count of nanoseconds on a core
//! (`schedstat`, proc_pid_schedstat(5)), not ticks: a thread that wakes 30 times a second for 100 µs would be
//! missed by most ticks.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// CPU time per thread at one moment.
#[derive(Debug, Clone)]
pub(crate) struct CpuTimes {
    at: Instant,
    /// By thread id: name, and time on a core.
    threads: BTreeMap<u32, (String, Duration)>,
}

/// Time on a core between two moments.
#[derive(Debug, Clone)]
pub(crate) struct CpuUse {
    /// Wall-clock time between the two.
    pub(crate) wall: Duration,
    by_thread: Vec<(String, Duration)>,
}

impl CpuTimes {
    /// Now, of every thread of a process.
    pub(crate) fn read(pid: u32) -> Result<Self> {
        let dir = format!("/proc/{pid}/task");
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(&dir)
            .with_context(|| format!("{dir} (the process has ended, or this is not Linux)"))?
        {
            let path = entry?.path();
            let id = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.parse().ok());
            // A thread that ends in between has no files any more.
            let files = (
                fs::read_to_string(path.join("comm")),
                fs::read_to_string(path.join("schedstat")),
            );
            let (Some(id), (Ok(name), Ok(schedstat))) = (id, files) else {
                continue;
            };
            threads.insert(id, (name.trim().to_owned(), on_core(&schedstat)?));
        }
        Ok(Self {
            at: Instant::now(),
            threads,
        })
    }

    /// What was used since `earlier`. Threads that ended in between are not counted; the server has none such.
    pub(crate) fn since(&self, earlier: &Self) -> CpuUse {
        let used = |(id, (name, now)): (&u32, &(String, Duration))| {
            let before = earlier
                .threads
                .get(id)
                .map_or(Duration::ZERO, |(_, before)| *before);
            (name.clone(), now.saturating_sub(before))
        };
        CpuUse {
            wall: self.at - earlier.at,
            by_thread: self.threads.iter().map(used).collect(),
        }
    }
}

impl CpuUse {
    /// Of threads whose name begins so, in per cent of one core; all threads with `""`.
    pub(crate) fn percent(&self, name: &str) -> f64 {
        let used = self
            .by_thread
            .iter()
            .filter(|(thread, _)| thread.starts_with(name));
        100.0 * used.map(|(_, time)| time.as_secs_f64()).sum::<f64>() / self.wall.as_secs_f64()
    }
}

/// CPU time of the calling thread so far, as of its last sleep.
pub(crate) fn this_thread() -> Result<Duration> {
    on_core(
        &fs::read_to_string("/proc/thread-self/schedstat")
            .context("/proc/thread-self/schedstat")?,
    )
}

fn on_core(schedstat: &str) -> Result<Duration> {
    let first = schedstat
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok());
    first
        .map(Duration::from_nanos)
        .ok_or_else(|| anyhow!("not a schedstat: {schedstat:?}"))
}

/// A field of /proc/PID/status in MiB, such as `VmRSS` or `VmHWM`.
pub(crate) fn memory_mib(pid: u32, field: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0)
        .ok_or_else(|| anyhow!("{path} has no {field}"))
}

/// Runnable processes over the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Datagrams that the kernel dropped because the receive buffer of a socket on this UDP port was full.
pub(crate) fn udp_drops(port: u16) -> Option<u64> {
    let tables = ["/proc/net/udp", "/proc/net/udp6"]
        .map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets = tables.iter().flat_map(|table| table.lines().skip(1));
    let drops = sockets.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let local = u16::from_str_radix(fields.nth(1)?.rsplit(':').next()?, 16).ok()?;
        (local == port).then(|| fields.next_back()?.parse::<u64>().ok())?
    });
    drops.reduce(|sum, drops| sum + drops)
}

/// What this machine is, for whoever compares figures.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} x {model}")
}
