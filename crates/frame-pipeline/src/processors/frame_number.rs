//! `frame-number`: the number that the test pattern carries in its pixels.
//!
//! A strip along the bottom edge, `max(8, height / 20 rounded down to even)` rows high, is divided
//! into 40 equal cells. From the left: a white and a black guard, 32 bits (most significant first,
//! white is 1), 4 bits of checksum (XOR of the number's eight nibbles), a black and a white guard.

use super::each::Each;
use super::luma::Luma;
use crate::{DecodedFrame, Output};

const CELLS: usize = 40;
/// Two columns a cell.
const MIN_WIDTH: usize = CELLS * 2;
const MIN_HEIGHT: usize = 8;
/// Halfway between video's black (16) and white (235), and near enough to that of full range.
const THRESHOLD: u8 = 126;
const GUARDS: u64 = 0b1001;

pub(super) const FRAME_NUMBER: Each = Each {
    name: "frame-number",
    of_frame: |frame: &DecodedFrame| {
        let number = read(&Luma::of(&frame.content)?)?;
        Ok(Output::from_iter([("number".to_owned(), number.into())]))
    },
    needs_pixels: true,
    needs_previous: false,
};

fn read(luma: &Luma<'_>) -> Result<u32, String> {
    let (width, height) = (luma.width, luma.height);
    if width < MIN_WIDTH || height < MIN_HEIGHT {
        return Err(format!(
            "{width}x{height} is too small for a frame number: it takes {MIN_WIDTH}x{MIN_HEIGHT} pixels"
        ));
    }
    let rows = (height / 20 / 2 * 2).max(MIN_HEIGHT);
    let row = luma.row(height - rows + rows / 2);
    let column = |cell: usize| cell * width / CELLS;
    let cells = (0..CELLS).fold(0_u64, |cells, cell| {
        let center = usize::midpoint(column(cell), column(cell + 1));
        cells << 1 | u64::from(row[center] >= THRESHOLD)
    });
    let guards = cells >> (CELLS - 2) << 2 | cells & 0b11;
    if guards != GUARDS {
        return Err(format!(
            "no frame number: the guard cells of the strip read {guards:04b}, not {GUARDS:04b}"
        ));
    }
    let number = (cells >> 6) as u32;
    let expected = (0..8).fold(0, |sum, nibble| sum ^ (number >> (4 * nibble) & 0xF));
    let found = (cells >> 2 & 0xF) as u32;
    if found != expected {
        return Err(format!(
            "frame number {number} is damaged: its checksum is {expected:#x}, but the strip says {found:#x}"
        ));
    }
    Ok(number)
}
