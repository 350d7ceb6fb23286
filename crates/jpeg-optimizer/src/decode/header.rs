//! What a JPEG says of itself, read without a library and without allocating (ITU-T T.81 Annex B).
//!
//! Fed with a whole JPEG from wherever; feeds the decoder's limits. Markers are walked up to the first scan; where the
//! picture comes in several, through all of them, so that their number is known before the first is decoded.

use frame_buffer::PictureSize;

use super::{DecodeLimits, JpegError};

/// Samples a side of the largest sampling factor (T.81 table B.2).
const MAX_SAMPLING: u8 = 4;

/// How chroma lies beside luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChromaSampling {
    /// Luma alone.
    Grey,
    /// One chroma sample for so many luma samples across and down: (2, 2) is 4:2:0.
    Every(u8, u8),
    /// Components that lie otherwise.
    Other,
}

/// What a JPEG declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegHeader {
    /// Size in pixels.
    pub size: PictureSize,
    /// Components: 1 or 3.
    pub components: u8,
    /// How chroma lies beside luma.
    pub sampling: ChromaSampling,
    /// Whether its scans refine one another.
    pub progressive: bool,
    /// Scans: 1 for nearly all that are not progressive.
    pub scans: usize,
    /// Samples of all components, whole blocks at the edges included.
    pub(crate) samples: usize,
    /// Whether the marker that ends it is there.
    pub(super) is_complete: bool,
}

/// SOF: the frame header.
struct Frame {
    width: usize,
    height: usize,
    components: u8,
    sampling: ChromaSampling,
    progressive: bool,
    samples: usize,
}

impl JpegHeader {
    pub(super) fn read(jpeg: &[u8], limits: DecodeLimits) -> Result<Self, JpegError> {
        let mut reader = Reader { jpeg, at: 0 };
        if !jpeg.starts_with(&[0xff, 0xd8]) {
            return Err(match jpeg {
                [] | [0xff] => reader.cut("its first marker"),
                _ => JpegError::NotJpeg,
            });
        }
        reader.at = 2;
        let mut frame = None;
        loop {
            match reader.marker()? {
                0x01 | 0xd0..=0xd7 => {}
                0xd9 => return Err(JpegError::Header("it ends before its first scan")),
                0xda => {
                    let frame = frame.ok_or(JpegError::Header("a scan before the frame header"))?;
                    return reader.count_scans(&frame, limits);
                }
                marker @ (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => {
                    if frame.is_some() {
                        return Err(JpegError::Header("two frame headers"));
                    }
                    frame = Some(frame_header(
                        marker,
                        reader.segment("the frame header")?,
                        limits,
                    )?);
                }
                _ => drop(reader.segment("a segment")?),
            }
        }
    }

    /// Bytes that a decoder needs for coefficients before it can show anything: two for each, where scans are several.
    pub(super) fn coefficient_bytes(&self) -> usize {
        if self.progressive || self.scans > 1 {
            self.samples * 2
        } else {
            0
        }
    }
}

struct Reader<'a> {
    jpeg: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn cut(&self, within: &'static str) -> JpegError {
        JpegError::Truncated {
            len_bytes: self.jpeg.len(),
            within,
        }
    }

    /// The marker that must come here; any number of 0xFF may precede it (T.81 §B.1.1.2).
    fn marker(&mut self) -> Result<u8, JpegError> {
        let rest = &self.jpeg[self.at..];
        match rest.first() {
            None => return Err(self.cut("its markers")),
            Some(0xff) => {}
            Some(_) => return Err(JpegError::Header("no marker where one must be")),
        }
        let fill = rest.iter().position(|&byte| byte != 0xff);
        let fill = fill.ok_or_else(|| self.cut("a marker"))?;
        self.at += fill + 1;
        Ok(rest[fill])
    }

    fn segment(&mut self, what: &'static str) -> Result<&'a [u8], JpegError> {
        let rest = &self.jpeg[self.at..];
        let Some(&[high, low]) = rest.first_chunk() else {
            return Err(self.cut(what));
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len < 2 {
            return Err(JpegError::Header("a segment shorter than its length"));
        }
        let body = rest.get(2..len).ok_or_else(|| self.cut(what))?;
        self.at += len;
        Ok(body)
    }

    /// From the first scan's marker on.
    fn count_scans(mut self, frame: &Frame, limits: DecodeLimits) -> Result<JpegHeader, JpegError> {
        let mut scans = 1;
        let mut is_complete = false;
        let first = self.segment("a scan header")?.first().copied();
        if frame.progressive || first.is_some_and(|of| of < frame.components) {
            while let Some(marker) = self.next_marker() {
                match marker {
                    0xd9 => {
                        is_complete = true;
                        break;
                    }
                    0xda => {
                        scans += 1;
                        if scans > limits.max_scans {
                            let max_scans = limits.max_scans;
                            return Err(JpegError::TooManyScans { max_scans });
                        }
                        self.segment("a scan header")?;
                    }
                    _ => drop(self.segment("a segment between scans")?),
                }
            }
        } else {
            // From the end, where it is but for padding: one look at most frames.
            let data = self.jpeg.get(self.at..).unwrap_or_default();
            is_complete = data.windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
        }
        Ok(JpegHeader {
            size: PictureSize {
                width: frame.width as u32,
                height: frame.height as u32,
            },
            components: frame.components,
            sampling: frame.sampling,
            progressive: frame.progressive,
            scans,
            samples: frame.samples,
            is_complete,
        })
    }

    /// The next marker beyond entropy-coded data, which restart markers and stuffed zeros belong to (T.81 §B.1.1.5);
    /// `None` at the end: the decoder will say what is missing.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            let rest = self.jpeg.get(self.at..)?;
            let at = rest.iter().position(|&byte| byte == 0xff)?;
            self.at += at + 1;
            match *self.jpeg.get(self.at)? {
                0x00 | 0x01 | 0xd0..=0xd7 => self.at += 1,
                0xff => {}
                marker => {
                    self.at += 1;
                    return Some(marker);
                }
            }
        }
    }
}

/// T.81 §B.2.2.
fn frame_header(marker: u8, body: &[u8], limits: DecodeLimits) -> Result<Frame, JpegError> {
    let damaged = JpegError::Header;
    match marker {
        0xc0..=0xc2 => {}
        0xc3 => return Err(JpegError::Unsupported("lossless")),
        0xc9..=0xcb => return Err(JpegError::Unsupported("arithmetic-coded")),
        _ => return Err(JpegError::Unsupported("hierarchical")),
    }
    let Some((&[precision, h1, h0, w1, w0, components], rest)) = body.split_first_chunk() else {
        return Err(damaged("a frame header that is too short"));
    };
    let height = usize::from(u16::from_be_bytes([h1, h0]));
    let width = usize::from(u16::from_be_bytes([w1, w0]));
    if precision != 8 {
        return Err(JpegError::Unsupported("not 8-bit"));
    }
    if width.saturating_mul(height) > limits.max_pixels {
        return Err(JpegError::TooLarge {
            width,
            height,
            max_pixels: limits.max_pixels,
        });
    }
    match components {
        1 | 3 => {}
        4 => return Err(JpegError::Unsupported("CMYK")),
        _ => return Err(damaged("neither one, three nor four components")),
    }
    let (factors, _) = rest.as_chunks::<3>();
    if rest.len() != 3 * usize::from(components) {
        return Err(damaged("a frame header of the wrong length"));
    }
    let factors = factors
        .iter()
        .map(|&[_, factors, _]| (factors >> 4, factors & 15));
    let valid = |side: u8| (1..=MAX_SAMPLING).contains(&side);
    if !factors
        .clone()
        .all(|(across, down)| valid(across) && valid(down))
    {
        return Err(damaged("a sampling factor that is not 1 to 4"));
    }
    let most = factors
        .clone()
        .fold((1, 1), |most, it| (most.0.max(it.0), most.1.max(it.1)));
    Ok(Frame {
        width,
        height,
        components,
        sampling: sampling(factors.clone(), most),
        progressive: marker == 0xc2,
        samples: factors.map(|it| samples((width, height), it, most)).sum(),
    })
}

/// Of a component, in whole units of the picture's blocks.
fn samples((width, height): (usize, usize), (across, down): (u8, u8), most: (u8, u8)) -> usize {
    let units = |side: usize, most: u8| side.div_ceil(8 * usize::from(most));
    let columns = units(width, most.0) * 8 * usize::from(across);
    columns * units(height, most.1) * 8 * usize::from(down)
}

fn sampling(mut factors: impl Iterator<Item = (u8, u8)>, most: (u8, u8)) -> ChromaSampling {
    let luma = factors.next();
    let (Some(u), Some(v)) = (factors.next(), factors.next()) else {
        return ChromaSampling::Grey;
    };
    let divides = most.0.is_multiple_of(u.0) && most.1.is_multiple_of(u.1);
    if luma != Some(most) || u != v || !divides {
        return ChromaSampling::Other;
    }
    ChromaSampling::Every(most.0 / u.0, most.1 / u.1)
}
