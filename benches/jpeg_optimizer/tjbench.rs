//! Encoding beside libjpeg-turbo's own bench, `tjbench -yuv`, on the same pictures and in turns, if it is installed
//! (Debian: libjpeg-turbo-progs). Both compress planar 4:2:0 on one core.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use frame_buffer::{ColorRange, FramePool, Picture, PictureSize};
use jpeg_optimizer::{JpegEncoder, Quality};

/// Each measurement of each side.
const SPAN: Duration = Duration::from_millis(250);
const ROUNDS: usize = 15;

/// Prints megapixels per second of both, each the best of [`ROUNDS`]: others on the machine only ever slow either down.
#[allow(clippy::print_stdout)]
pub(crate) fn compare(sizes: &[(&str, PictureSize)]) {
    let folder = tempfile::tempdir().expect("a folder for pictures");
    for &(name, size) in sizes {
        let ppm = folder.path().join(format!("{name}.ppm"));
        fs::write(&ppm, ppm_of(size)).expect("room for a picture");
        let picture = picture_of(size);
        let encoder = JpegEncoder::new();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let own = own_speed(&encoder, &picture);
            let Some((peer, ratio)) = tjbench(&ppm) else {
                println!("skipped the comparison with tjbench: it is not installed");
                return;
            };
            rounds.push((own, peer, ratio));
        }
        let best = |of: fn(&(f64, f64, f64)) -> f64| rounds.iter().map(of).fold(0.0, f64::max);
        let (own, peer, ratio) = (best(|it| it.0), best(|it| it.1), rounds[0].2);
        let times = own / peer;
        let jpeg = encoder
            .encode(&picture, Quality::default())
            .expect("a JPEG");
        let own_ratio = (3 * size.width * size.height) as f64 / jpeg.len() as f64;
        println!(
            "encode q70 {name}: {own:.0} Mpx/s, tjbench {peer:.0}: {times:.2} x; \
             RGB bytes a JPEG byte: {own_ratio:.2}, tjbench {ratio:.2}"
        );
    }
}

/// Smooth colours with some texture, far from the ends of their range.
fn rgb(x: u32, y: u32) -> [i32; 3] {
    let texture = (((x * 7) ^ (y * 13)) % 24) as i32;
    let wave = |at: u32| 70 + ((at / 5) % 100) as i32 + texture;
    [wave(x + y), wave(x + 2 * y + 130), wave(2 * x + y + 260)]
}

fn ppm_of(size: PictureSize) -> Vec<u8> {
    let mut bytes = format!("P6\n{} {}\n255\n", size.width, size.height).into_bytes();
    for y in 0..size.height {
        bytes.extend(
            (0..size.width)
                .flat_map(|x| rgb(x, y))
                .map(|sample| sample as u8),
        );
    }
    bytes
}

/// The same picture as I420 in full range (ITU-T T.871 §7).
fn picture_of(size: PictureSize) -> Picture {
    let mut picture = FramePool::new(0).take(size).expect("a valid size");
    let [y_stride, c_stride, _] = picture.strides();
    let [luma, u, v] = picture.planes_mut();
    for y in 0..size.height {
        for x in 0..size.width {
            let [r, g, b] = rgb(x, y).map(f64::from);
            luma[y as usize * y_stride + x as usize] = (0.299 * r + 0.587 * g + 0.114 * b) as u8;
            let at = y as usize / 2 * c_stride + x as usize / 2;
            u[at] = (128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b) as u8;
            v[at] = (128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b) as u8;
        }
    }
    picture.set_range(ColorRange::Full);
    picture.freeze()
}

fn own_speed(encoder: &JpegEncoder, picture: &Picture) -> f64 {
    let pixels = f64::from(picture.size().width) * f64::from(picture.size().height);
    let (start, mut encodes) = (Instant::now(), 0.0);
    while start.elapsed() < SPAN {
        let jpeg = encoder.encode(picture, Quality::default());
        std::hint::black_box(jpeg.expect("a JPEG"));
        encodes += 1.0;
    }
    encodes * pixels / start.elapsed().as_secs_f64() / 1e6
}

/// Megapixels per second of compressing, and the ratio of compression.
fn tjbench(ppm: &Path) -> Option<(f64, f64)> {
    let seconds = SPAN.as_secs_f64().to_string();
    let options = [
        "-quiet", "-nowrite", "-yuv", "-subsamp", "420", "-warmup", "0.1",
    ];
    let mut command = Command::new("tjbench");
    command.arg(ppm).arg("70").args(options);
    let output = command.args(["-benchtime", &seconds]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The row of figures: format, order, subsampling, quality, sides, then encode, compress, ratio.
    let row = text.lines().find(|line| line.contains("4:2:0"))?;
    let columns: Vec<_> = row.split_whitespace().collect();
    Some((columns.get(7)?.parse().ok()?, columns.get(8)?.parse().ok()?))
}
