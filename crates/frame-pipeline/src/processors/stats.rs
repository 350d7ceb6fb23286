//! `stats`: brightness, sharpness and motion of each frame.
//!
//! Samples are brought to full range first, so that a video has the same values whether it came as
//! JPEG or as H.264.

use serde_json::Value;

use super::each::Each;
use super::luma::Luma;
use crate::{DecodedFrame, Output};

pub(super) const STATS: Each = Each {
    name: "stats",
    of_frame: stats,
    needs_pixels: true,
    needs_previous: true,
};

fn stats(frame: &DecodedFrame) -> Result<Output, String> {
    let luma = Luma::of(&frame.content)?;
    let previous = frame.previous.as_ref().map(Luma::of_picture);
    let motion = previous.and_then(|previous| motion(&luma, &previous));
    Ok(Output::from_iter([
        ("luma_mean".to_owned(), Value::from(mean(&luma))),
        ("sharpness".to_owned(), Value::from(sharpness(&luma))),
        ("motion".to_owned(), motion.into()),
    ]))
}

fn samples(luma: &Luma<'_>) -> f64 {
    luma.width as f64 * luma.height as f64
}

/// Mean luma, 0–255.
fn mean(luma: &Luma<'_>) -> f64 {
    let sum: u64 = luma
        .rows()
        .map(|row| row.iter().map(|&sample| u64::from(sample)).sum::<u64>())
        .sum();
    let (black, factor) = luma.scale();
    ((sum as f64 / samples(luma) - black) * factor).clamp(0.0, 255.0)
}

/// Variance of the 4-neighbour Laplacian; beyond an edge lies the mirror image without the edge
/// itself. (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.)
fn sharpness(luma: &Luma<'_>) -> f64 {
    let [mut sum, mut squares] = [0_i64; 2];
    for y in 0..luma.height {
        let above = luma.row(y.checked_sub(1).unwrap_or(1));
        let below = luma.row(if y + 1 < luma.height {
            y + 1
        } else {
            y.saturating_sub(1)
        });
        let (row_sum, row_squares) = laplacian_row(above, luma.row(y), below);
        sum += row_sum;
        squares += row_squares;
    }
    let mean = sum as f64 / samples(luma);
    let (_, factor) = luma.scale();
    (squares as f64 / samples(luma) - mean * mean).max(0.0) * factor * factor
}

/// Sum and sum of squares of one row's Laplacian.
fn laplacian_row(above: &[u8], row: &[u8], below: &[u8]) -> (i64, i64) {
    let last = row.len() - 1;
    let at = |x: usize, left: usize, right: usize| {
        let sides = i32::from(row[left]) + i32::from(row[right]);
        sides + i32::from(above[x]) + i32::from(below[x]) - 4 * i32::from(row[x])
    };
    let mut totals = (0, 0);
    let mut add = |value: i32| {
        totals.0 += i64::from(value);
        totals.1 += i64::from(value * value);
    };
    add(at(0, 1.min(last), 1.min(last)));
    if last > 0 {
        add(at(last, last - 1, last - 1));
    }
    let inner = row.windows(3).zip(above.iter().zip(below).skip(1));
    for (window, (&above, &below)) in inner {
        let sides = i32::from(window[0]) + i32::from(window[2]);
        add(sides + i32::from(above) + i32::from(below) - 4 * i32::from(window[1]));
    }
    totals
}

/// Mean absolute difference, 0–255; `None` where the sizes differ.
fn motion(luma: &Luma<'_>, previous: &Luma<'_>) -> Option<f64> {
    if (luma.width, luma.height) != (previous.width, previous.height) {
        return None;
    }
    let rows = luma.rows().zip(previous.rows());
    let [(black, factor), (black_before, factor_before)] = [luma.scale(), previous.scale()];
    let sum = if luma.scale() == previous.scale() {
        let row_sum = |(row, before): (&[u8], &[u8])| {
            let pairs = row.iter().zip(before);
            pairs.map(|(a, &b)| u64::from(a.abs_diff(b))).sum::<u64>()
        };
        rows.map(row_sum).sum::<u64>() as f64 * factor
    } else {
        rows.flat_map(|(row, before)| row.iter().zip(before))
            .map(|(&a, &b)| {
                let a = (f64::from(a) - black) * factor;
                (a - (f64::from(b) - black_before) * factor_before).abs()
            })
            .sum()
    };
    Some((sum / samples(luma)).min(255.0))
}
