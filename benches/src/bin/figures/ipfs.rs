//! Contents by CID through other people's gateway: how fast they come, how soon the first frame of a film is there over a
//! slow link, and what a source costs that dies again and again.
//!
//! The gateway is boxo's, which is Kubo's own, in the small program of the loader's tests; curl and ffmpeg are its other clients.

mod film;
mod gateway;
mod read;

use std::path::Path;

use anyhow::Result;

use crate::args::Args;
use crate::browser::on_path;
use crate::table::Table;

pub(crate) const FIGURES: [&str; 14] = [
    "ipfs-read",
    "ipfs-read-verified",
    "store-read",
    "ipfs-first-frame",
    "ipfs-first-frame-whole",
    "ipfs-first-frame-bytes",
    "ipfs-seek",
    "ipfs-kills",
    "ipfs-kills-twice",
    "ipfs-memory",
    "ipfs-read-kubo",
    "ipfs-read-kubo-verified",
    "ipfs-read-legacy",
    "ipfs-read-legacy-verified",
];

/// Measures those that are wanted.
pub(crate) async fn measure(args: &Args, table: &mut Table) -> Result<()> {
    let dir = tempfile::tempdir()?;
    if table.wants(&["store-read"]) {
        read::store(dir.path(), table).await?;
    }
    let gateway = match gateway::build(dir.path()) {
        Ok(program) => program,
        Err(reason) => {
            for figure in FIGURES.iter().filter(|name| **name != "store-read") {
                table.skipped(figure, &format!("no gateway: {reason:#}"))?;
            }
            return Ok(());
        }
    };
    if read::WHOLE.iter().any(|figures| table.wants(figures)) {
        read::beside_curl(args, &gateway, dir.path(), table).await?;
    }
    if table.wants(&FIGURES[3..7]) {
        film(&gateway, dir.path(), table).await?;
    }
    if table.wants(&["ipfs-kills", "ipfs-kills-twice"]) {
        read::killed(&gateway, dir.path(), table).await?;
    }
    if table.wants(&["ipfs-memory"]) {
        read::memory(args, &gateway, dir.path(), table).await?;
    }
    Ok(())
}

async fn film(gateway: &Path, dir: &Path, table: &mut Table) -> Result<()> {
    let Some(ffmpeg) = on_path(&["ffmpeg"]) else {
        for figure in &FIGURES[3..7] {
            table.skipped(figure, "no ffmpeg on PATH")?;
        }
        return Ok(());
    };
    film::measure(gateway, &ffmpeg, dir, table).await
}
