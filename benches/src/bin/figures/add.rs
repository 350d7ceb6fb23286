//! `stream-server add` beside Kubo's `ipfs add`: the same file, each time into a new store on the same disk.
//!
//! Feeds `add`. The file is in the page cache (it was just written), so the figure is about chunking, hashing and
//! storing. Runs alternate, so that a busy machine is busy for both.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::browser::on_path;
use crate::server;
use crate::table::Table;

pub(crate) const FIGURES: [&str; 1] = ["add"];

const FILE_BYTES: u64 = 350_000_000;
const RUNS: usize = 3;

/// Both names of how a file becomes a DAG: ours, and Kubo's profile that sets its `Import` accordingly.
const PROFILES: [(&str, &str); 2] = [
    ("unixfs-v1-2025", "unixfs-v1-2025"),
    ("legacy-cid-v0", "unixfs-v0-2015"),
];

/// MB/s of each run, fastest last, and the CID.
struct Timed {
    megabytes_per_second: Vec<f64>,
    cid: String,
}

impl Timed {
    fn median(&self) -> f64 {
        self.megabytes_per_second
            .get(self.megabytes_per_second.len() / 2)
            .copied()
            .unwrap_or_default()
    }
}

/// Measures it.
pub(crate) fn measure(args: &Args, table: &mut Table) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("random");
    write_random(&file, FILE_BYTES)?;
    let ours = server::binary(args)?;
    let Some(kubo) = args.ipfs.clone().or_else(|| on_path(&["ipfs"])) else {
        let timed = alternate(
            &[&|store| add_ours(&ours, &file, store, PROFILES[0].0)],
            dir.path(),
        )?;
        let rate = timed.first().map_or(0.0, Timed::median);
        let reason = format!(
            "ours {rate:.0} MB/s; no ipfs on PATH to compare with, name one with --ipfs or FRAMEWAY_IPFS"
        );
        return Ok(table.skipped("add", &reason)?);
    };
    let mut details = Vec::new();
    let mut worst = f64::INFINITY;
    for (profile, kubo_profile) in PROFILES {
        let ours = |store: &Path| add_ours(&ours, &file, store, profile);
        let theirs = |store: &Path| add_kubo(&kubo, &file, store, kubo_profile);
        let timed = alternate(&[&ours, &theirs], dir.path())?;
        let [ours, theirs] = &timed[..] else { continue };
        ensure!(
            ours.cid == theirs.cid,
            "{profile}: ours is {}, Kubo's is {}",
            ours.cid,
            theirs.cid
        );
        worst = worst.min(ours.median() / theirs.median());
        details.push(format!(
            "{profile}: {:.0} against {:.0} MB/s, same CID",
            ours.median(),
            theirs.median()
        ));
    }
    Ok(table.measured(
        "add",
        worst,
        &format!("{}; {}", details.join("; "), version(&kubo)),
    )?)
}

/// Adds a file into a folder; says the MB/s and the CID.
type Add<'a> = &'a dyn Fn(&Path) -> Result<(f64, String)>;

/// Runs each in turn, [`RUNS`] times, each time in a folder of its own.
fn alternate(adds: &[Add<'_>], dir: &Path) -> Result<Vec<Timed>> {
    let mut timed: Vec<Timed> = adds
        .iter()
        .map(|_| Timed {
            megabytes_per_second: Vec::new(),
            cid: String::new(),
        })
        .collect();
    for _ in 0..RUNS {
        for (add, timed) in adds.iter().zip(&mut timed) {
            let store = tempfile::tempdir_in(dir)?;
            let (seconds, cid) = add(store.path())?;
            timed
                .megabytes_per_second
                .push(FILE_BYTES as f64 / 1e6 / seconds);
            timed.cid = cid;
        }
    }
    for timed in &mut timed {
        timed.megabytes_per_second.sort_by(f64::total_cmp);
    }
    Ok(timed)
}

fn add_ours(binary: &Path, file: &Path, store: &Path, profile: &str) -> Result<(f64, String)> {
    let mut command = Command::new(binary);
    command
        .arg("add")
        .arg(file)
        .arg("--store")
        .arg(store)
        .args(["--profile", profile]);
    output(command)
}

fn add_kubo(binary: &Path, file: &Path, store: &Path, profile: &str) -> Result<(f64, String)> {
    let kubo = |arguments: &[&str]| {
        let mut command = Command::new(binary);
        command
            .env("IPFS_PATH", store)
            .env("IPFS_TELEMETRY", "off")
            .args(arguments);
        command
    };
    output(kubo(&[
        "init",
        "--empty-repo",
        &format!("--profile={profile}"),
    ]))?;
    let mut add = kubo(&["add", "--offline", "--quieter", "--progress=false"]);
    add.arg(file);
    output(add)
}

/// Seconds it took, and what it printed.
fn output(mut command: Command) -> Result<(f64, String)> {
    let started = Instant::now();
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((
        seconds,
        String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    ))
}

fn version(kubo: &Path) -> String {
    let mut command = Command::new(kubo);
    command.arg("--version");
    output(command).map_or_else(|error| error.to_string(), |(_, version)| version)
}

/// Pseudo-random words (splitmix64, Steele, Lea and Flood 2014): no chunk twice, nothing to compress.
pub(crate) fn random_words() -> impl Iterator<Item = u64> {
    (1_u64..).map(|index| {
        let mut word = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    })
}

/// A file of them.
pub(crate) fn write_random(path: &Path, bytes: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for word in random_words().take((bytes / 8) as usize) {
        file.write_all(&word.to_le_bytes())?;
    }
    file.into_inner()?.sync_all()?;
    Ok(())
}
