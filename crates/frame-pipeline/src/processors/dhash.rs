//! `dhash`: a perceptual hash that stays the same, or nearly, when a picture is scaled or
//! compressed.
//!
//! Luma is averaged over 9 by 8 cells; each of the 64 bits, by rows from the top left, most
//! significant first, says whether a cell is brighter than the one to its left.

use super::each::Each;
use super::luma::Luma;
use crate::{DecodedFrame, Output};

const COLUMNS: usize = 9;
const ROWS: usize = 8;

pub(super) const DHASH: Each = Each {
    name: "dhash",
    of_frame: |frame: &DecodedFrame| {
        let hash = dhash(&Luma::of(&frame.content)?);
        Ok(Output::from_iter([(
            "hash".to_owned(),
            format!("{hash:016x}").into(),
        )]))
    },
    needs_pixels: true,
    needs_previous: false,
};

fn dhash(luma: &Luma<'_>) -> u64 {
    let mut hash = 0;
    for cells in cells(luma) {
        for pair in cells.windows(2) {
            hash = hash << 1 | u64::from(pair[1] > pair[0]);
        }
    }
    hash
}

/// The cells' sums of luma. All cells have the same area, so sums compare as means do.
fn cells(luma: &Luma<'_>) -> [[u64; COLUMNS]; ROWS] {
    let mut cells = [[0; COLUMNS]; ROWS];
    for (y, row) in luma.rows().enumerate() {
        let sums: [u64; COLUMNS] =
            std::array::from_fn(|i| area(row, i * luma.width, (i + 1) * luma.width, COLUMNS));
        for (j, cells) in cells.iter_mut().enumerate() {
            let weight = overlap(y, j * luma.height, (j + 1) * luma.height, ROWS);
            for (cell, sum) in cells.iter_mut().zip(sums) {
                *cell += sum * weight;
            }
        }
    }
    cells
}

/// The samples between `start` and `end`, which count `parts` to a sample: those that are cut
/// count by their share.
fn area(row: &[u8], start: usize, end: usize, parts: usize) -> u64 {
    let (first, last) = (start / parts, end.div_ceil(parts));
    let weigh = |x: usize| u64::from(row[x]) * overlap(x, start, end, parts);
    if last - first <= 2 {
        return (first..last).map(weigh).sum();
    }
    let inner = &row[first + 1..last - 1];
    let inner: u64 = inner.iter().map(|&sample| u64::from(sample)).sum();
    weigh(first) + inner * parts as u64 + weigh(last - 1)
}

/// How many of sample `at`'s parts lie between `start` and `end`.
fn overlap(at: usize, start: usize, end: usize, parts: usize) -> u64 {
    let from = start.max(at * parts);
    let to = end.min((at + 1) * parts);
    to.saturating_sub(from) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_samples_count_by_their_share() {
        // 12 parts of 4 samples: one and two thirds of them lie between 2 and 7.
        assert_eq!(area(&[9, 6, 3, 0], 2, 7, 3), 9 + 6 * 3 + 3);
        assert_eq!(area(&[9, 6], 3, 4, 3), 6);
        assert_eq!(area(&[200], 0, 1, 9), 200);
        let row: Vec<u8> = (0..100).collect();
        let whole: u64 = (0..9).map(|i| area(&row, i * 100, (i + 1) * 100, 9)).sum();
        assert_eq!(whole, 9 * 4950);
    }
}
