//! The frame number that the test pattern carries in its pixels.
//!
//! A strip along the bottom edge, `max(8, height / 20 rounded down to even)` rows high, is divided
//! into 40 equal cells; cell `i` spans columns `i * width / 40` to `(i + 1) * width / 40`. From the
//! left: a white and a black guard, 32 bits (most significant first, white is 1), 4 bits of
//! checksum (XOR of the number's eight nibbles), a black and a white guard. Cells are that large
//! so that they survive JPEG at quality 50 and a scaled canvas.

use crate::pixels::{DecodedLuma, Luma, LumaPlane, Rgba};

const CELLS: u32 = 40;
/// Smallest width that carries a number: two columns per cell.
pub const MIN_WIDTH: u32 = CELLS * 2;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
/// Halfway between black and white.
const THRESHOLD: u8 = 126;

/// Why a picture does not say its number.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Too small to carry a number.
    #[error("{width}x{height} is too small for a frame number: it takes {MIN_WIDTH}x8 pixels")]
    TooSmall {
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The buffer ends before the picture does.
    #[error("no pixel at column {x}, row {y}: the buffer is smaller than the picture")]
    Missing {
        /// Column.
        x: u32,
        /// Row.
        y: u32,
    },
    /// The cells at the ends are not those of a strip, so this is not the test pattern.
    #[error("no frame-number strip: its guard cells read {found:04b}, not 1001")]
    NoStrip {
        /// The guard cells from the left.
        found: u8,
    },
    /// The strip is there, but damaged.
    #[error("frame number {number} has checksum {expected:#x}, but the strip says {found:#x}")]
    Checksum {
        /// Number as read.
        number: u32,
        /// Checksum of that number.
        expected: u8,
        /// Checksum as read.
        found: u8,
    },
    /// The bytes are no PNG or JPEG.
    #[error("the picture cannot be decoded: {0}")]
    Decode(#[from] image::ImageError),
}

/// Where the strip lies in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripLayout {
    width: u32,
    height: u32,
}

impl StripLayout {
    /// The strip of a picture of this size.
    ///
    /// # Errors
    /// [`ReadError::TooSmall`] below [`MIN_WIDTH`] columns or 8 rows.
    pub fn new(width: u32, height: u32) -> Result<Self, ReadError> {
        if width < MIN_WIDTH || height < 8 {
            return Err(ReadError::TooSmall { width, height });
        }
        Ok(Self { width, height })
    }

    /// Rows of the strip.
    pub fn rows(self) -> u32 {
        (self.height / 20 / 2 * 2).max(8)
    }

    fn top(self) -> u32 {
        self.height - self.rows()
    }

    /// First column of a cell; that of cell 40 is the width.
    fn column(self, cell: u32) -> u32 {
        (u64::from(cell) * u64::from(self.width) / u64::from(CELLS)) as u32
    }

    fn center(self, cell: u32) -> (u32, u32) {
        let x = u32::midpoint(self.column(cell), self.column(cell + 1));
        (x, self.top() + self.rows() / 2)
    }
}

/// The cells of a number, from the left, in the lower 40 bits.
fn cells(number: u32) -> u64 {
    0b10 << 38 | u64::from(number) << 6 | u64::from(checksum(number)) << 2 | 0b01
}

/// XOR of the eight nibbles.
fn checksum(number: u32) -> u8 {
    (0..8).fold(0, |sum, nibble| sum ^ (number >> (4 * nibble) & 0xF) as u8)
}

/// Reads the number from a picture of `width` x `height` pixels.
///
/// # Errors
/// [`ReadError`] when the picture is too small, has no strip, or a damaged one.
pub fn read_frame_number(pixels: &impl Luma, width: u32, height: u32) -> Result<u32, ReadError> {
    let strip = StripLayout::new(width, height)?;
    let mut read = 0_u64;
    for cell in 0..CELLS {
        let (x, y) = strip.center(cell);
        let luma = pixels.luma_at(x, y).ok_or(ReadError::Missing { x, y })?;
        read = read << 1 | u64::from(luma >= THRESHOLD);
    }
    let found = (read >> 38 << 2 | read & 0b11) as u8;
    if found != 0b1001 {
        return Err(ReadError::NoStrip { found });
    }
    let number = (read >> 6) as u32;
    let (expected, found) = (checksum(number), (read >> 2 & 0xF) as u8);
    if found != expected {
        return Err(ReadError::Checksum {
            number,
            expected,
            found,
        });
    }
    Ok(number)
}

/// Reads the number from a luma plane whose rows are `stride` bytes apart.
///
/// # Errors
/// As [`read_frame_number`].
pub fn read_frame_number_luma(
    bytes: &[u8],
    stride: usize,
    width: u32,
    height: u32,
) -> Result<u32, ReadError> {
    read_frame_number(&LumaPlane { bytes, stride }, width, height)
}

/// Reads the number from rows of RGBA pixels without padding.
///
/// # Errors
/// As [`read_frame_number`].
pub fn read_frame_number_rgba(bytes: &[u8], width: u32, height: u32) -> Result<u32, ReadError> {
    read_frame_number(&Rgba { bytes, width }, width, height)
}

/// Reads the number from the bytes of a PNG or JPEG file.
///
/// # Errors
/// [`ReadError::Decode`] when they are neither, else as [`read_frame_number`].
pub fn read_frame_number_encoded(bytes: &[u8]) -> Result<u32, ReadError> {
    let picture = image::load_from_memory(bytes)?.into_rgba8();
    let (width, height) = picture.dimensions();
    read_frame_number(&DecodedLuma(picture), width, height)
}

/// Writes the number into a luma plane whose rows are `stride` bytes apart, in video range (black
/// 16, white 235). The chroma under the strip should be 128.
///
/// # Errors
/// [`ReadError::TooSmall`] for a picture without room, [`ReadError::Missing`] for a buffer that
/// ends before it does.
pub fn write_frame_number(
    bytes: &mut [u8],
    stride: usize,
    width: u32,
    height: u32,
    number: u32,
) -> Result<(), ReadError> {
    let strip = StripLayout::new(width, height)?;
    let cells = cells(number);
    for y in strip.top()..height {
        let start = stride.saturating_mul(y as usize);
        let end = start.saturating_add(width as usize);
        let missing = ReadError::Missing { x: width - 1, y };
        let row = bytes.get_mut(start..end).ok_or(missing)?;
        for cell in 0..CELLS {
            let white = cells >> (CELLS - 1 - cell) & 1 == 1;
            row[strip.column(cell) as usize..strip.column(cell + 1) as usize].fill(if white {
                WHITE
            } else {
                BLACK
            });
        }
    }
    Ok(())
}
