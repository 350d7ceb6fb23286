//! The frame number in pixels that survive JPEG and scaling.
//!
//! Fed by the frame number; drawn along the bottom edge of every frame, to be read back by tests and by
//! a worker at the far end of the path.
//!
//! ```text
//! height  max(8, H/20 rounded down to an even number) rows at the bottom, the full width
//! cells   40, cell i from column i*W/40 up to (i+1)*W/40; white = 1 = luma 235, black = 0 = luma 16
//!         [1][0] [ 32 bits of the number, the highest first ] [ 4 bits of checksum ] [0][1]
//! checksum  XOR of the number's eight nibbles
//! ```
//!
//! A reader samples the centre of each cell and compares it with the middle between black and white.

use super::canvas::{Canvas, Colour};

/// Cells across the width.
pub(super) const CELLS: usize = 40;

/// Rows that the strip takes of a picture's height.
pub(super) fn height(picture_height: usize) -> usize {
    (picture_height / 20 / 2 * 2).max(8)
}

/// The cells of a number, the leftmost in bit 39.
pub(super) fn cells(number: u32) -> u64 {
    let checksum = (0..8).fold(0, |sum, i| sum ^ (number >> (4 * i) & 0xf));
    0b10 << 38 | u64::from(number) << 6 | u64::from(checksum) << 2 | 0b01
}

/// Draws the strip of a number into a picture of this size.
pub(super) fn draw(canvas: &mut Canvas<'_>, width: usize, picture_height: usize, number: u32) {
    let top = picture_height.saturating_sub(height(picture_height));
    let cells = cells(number);
    for cell in 0..CELLS {
        let white = cells >> (CELLS - 1 - cell) & 1 == 1;
        let colour = if white { Colour::WHITE } else { Colour::BLACK };
        let [from, to] = [cell, cell + 1].map(|i| i * width / CELLS);
        canvas.fill(from, top, to, picture_height, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_number_and_checksum_are_where_the_layout_says() {
        let cells = cells(0x1234_5678);
        let checksum = (1..=8).fold(0, |sum, nibble| sum ^ nibble);
        assert_eq!(cells >> 38, 0b10);
        assert_eq!(cells >> 6 & 0xffff_ffff, 0x1234_5678);
        assert_eq!(cells >> 2 & 0xf, checksum);
        assert_eq!(cells & 0b11, 0b01);
    }

    #[test]
    fn the_strip_is_even_and_at_least_one_block_high() {
        assert_eq!([height(720), height(90), height(431)], [36, 8, 20]);
    }
}
