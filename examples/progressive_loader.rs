//! A video-sized file goes into the embedded store, comes back by its CID while it is being verified,
//! and a flipped byte on disk is caught.
//!
//! Run with `cargo run --release --example progressive_loader [FILE]`; without a file it makes one.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use anyhow::Context;
use progressive_loader::driver::{OpenOptions, Store, open};
use progressive_loader::{Location, Profile};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => make_file(scratch.path())?,
    };
    let store = Store::open(scratch.path().join("store"))?;
    let mut cid = None;
    for profile in [Profile::LegacyCidV0, Profile::UnixfsV1_2025] {
        let started = Instant::now();
        let added = store.add_file(&path, profile, &mut |_| {})?;
        let speed = added.size_bytes as f64 / 1e6 / started.elapsed().as_secs_f64();
        println!(
            "{profile:>15}: {} ({} blocks, {speed:.0} MB/s)",
            added.cid, added.blocks
        );
        cid = Some(added.cid);
    }
    let cid = cid.context("two profiles were added")?;

    let location: Location = format!("ipfs://{cid}").parse()?;
    let options = OpenOptions {
        store: Some(store.clone()),
        ..OpenOptions::default()
    };
    read_some(&location, &options).await?;

    let pack = store.dir().join("packs").join(format!("{cid}.pack"));
    flip_first_byte(&pack)?;
    let error = read_some(&location, &options)
        .await
        .err()
        .context("a flipped byte must not be read")?;
    println!("\nafter one byte was flipped on disk:\n  {error}");
    Ok(())
}

/// Reads the first bytes and the last ones, and shows how little that fetched.
async fn read_some(location: &Location, options: &OpenOptions) -> anyhow::Result<()> {
    let reader = open(location, options).await?;
    let (progress, size) = (reader.progress(), reader.len());
    let mut reader = reader.into_blocking();
    let started = Instant::now();
    tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut some = [0; 16];
        reader.read_exact(&mut some)?;
        println!(
            "\nfirst bytes after {:.1} ms: {some:02x?}",
            started.elapsed().as_secs_f64() * 1e3
        );
        reader.seek(SeekFrom::End(-16.min(size as i64)))?;
        reader.read_exact(&mut some)?;
        println!(
            "last bytes after {:.1} ms: {some:02x?}",
            started.elapsed().as_secs_f64() * 1e3
        );
        Ok(())
    })
    .await??;
    let figures = progress.snapshot();
    println!(
        "{} of {} bytes fetched to read 32",
        figures.fetched_bytes, figures.total_bytes
    );
    Ok(())
}

fn make_file(dir: &Path) -> anyhow::Result<PathBuf> {
    let path = dir.join("made.bin");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    for number in 0u64..8_000_000 {
        file.write_all(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())?;
    }
    file.flush()?;
    Ok(path)
}

fn flip_first_byte(path: &Path) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&[!byte[0]])?;
    Ok(())
}
