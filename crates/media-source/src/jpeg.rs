//! JPEG to pooled I420 pictures, by libjpeg-turbo.
//!
//! Fed by every MJPEG source with one JPEG at a time. The header is read first, and nothing is allocated
//! for a size beyond the limits; 4:2:0 is taken as it is, other chroma is resampled, RGB converted.

use frame_buffer::{ColorRange, FramePool, Picture, PictureError, PictureMut, PictureSize};
use turbojpeg::{
    Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, Subsamp, YuvImage,
    yuv_pixels_len,
};

/// Largest picture: 8192x4096. A JPEG of a few bytes can declare 65535x65535.
const MAX_PIXELS: usize = 8192 * 4096;
/// Most scans of a progressive JPEG: encoders write about ten, and each one costs a pass over the picture.
const MAX_SCANS: u32 = 100;
/// Row alignment of the decoder's output: one cache line.
const ROW_ALIGN_BYTES: usize = 64;

/// Why a JPEG was not decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JpegError {
    /// Not a JPEG, or a broken one; libjpeg-turbo's words.
    #[error("{0}")]
    Damaged(String),
    /// Nothing was allocated for it.
    #[error("a JPEG of {width}x{height} is beyond the limit of {MAX_PIXELS} pixels")]
    TooLarge {
        /// Declared width.
        width: usize,
        /// Declared height.
        height: usize,
    },
    /// A kind of JPEG that is left out: lossless, CMYK.
    #[error("{0} JPEG is not decoded here")]
    Unsupported(&'static str),
    /// The picture cannot be had, for one because memory is short.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// Decodes one JPEG after another to I420 in full range, reusing its memory.
pub struct JpegDecoder {
    turbo: Decompressor,
    pool: FramePool,
    scratch: Vec<u8>,
}

impl JpegDecoder {
    /// A decoder whose pictures come from `pool`.
    ///
    /// # Errors
    /// [`JpegError::Damaged`] when libjpeg-turbo has no memory for a decoder.
    pub fn new(pool: FramePool) -> Result<Self, JpegError> {
        let mut turbo = Decompressor::new()?;
        turbo.set_scan_limit(MAX_SCANS)?;
        Ok(Self {
            turbo,
            pool,
            scratch: Vec::new(),
        })
    }

    /// The size that a JPEG declares, if it can be decoded here.
    pub(crate) fn size(&mut self, jpeg: &[u8]) -> Result<PictureSize, JpegError> {
        self.header(jpeg).map(|(_, size)| size)
    }

    fn header(&mut self, jpeg: &[u8]) -> Result<(DecompressHeader, PictureSize), JpegError> {
        let header = self.turbo.read_header(jpeg)?;
        let (width, height) = (header.width, header.height);
        if width.saturating_mul(height) > MAX_PIXELS {
            return Err(JpegError::TooLarge { width, height });
        }
        if header.is_lossless {
            return Err(JpegError::Unsupported("lossless"));
        }
        if matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK) {
            return Err(JpegError::Unsupported("CMYK"));
        }
        let size = PictureSize::new(width as u32, height as u32)?;
        Ok((header, size))
    }

    /// Decodes a JPEG whole. Sizes up to 33.5 Mpx and 100 scans are taken.
    ///
    /// # Errors
    /// [`JpegError`]; the decoder stays usable.
    pub fn decode(&mut self, jpeg: &[u8]) -> Result<Picture, JpegError> {
        let (header, size) = self.header(jpeg)?;
        let mut picture = self.pool.take(size)?;
        picture.set_range(ColorRange::Full);
        let planar = matches!(header.colorspace, Colorspace::YCbCr | Colorspace::Gray)
            && header.subsamp != Subsamp::Unknown;
        if planar {
            self.decode_planes(jpeg, &header, &mut picture)?;
        } else {
            self.decode_rgb(jpeg, size, &mut picture)?;
        }
        Ok(picture.freeze())
    }

    fn decode_planes(
        &mut self,
        jpeg: &[u8],
        header: &DecompressHeader,
        picture: &mut PictureMut,
    ) -> Result<(), JpegError> {
        let (width, height, subsamp) = (header.width, header.height, header.subsamp);
        let len = yuv_pixels_len(width, ROW_ALIGN_BYTES, height, subsamp)?;
        self.scratch.resize(len, 0);
        let mut image = YuvImage {
            pixels: self.scratch.as_mut_slice(),
            width,
            align: ROW_ALIGN_BYTES,
            height,
            subsamp,
        };
        tolerate(self.turbo.decompress_to_yuv(jpeg, image.as_deref_mut()))?;
        match subsamp {
            Subsamp::Gray => write_grey(image.pixels, width, picture),
            Subsamp::Sub2x2 => {
                let strides = [image.y_width(), image.uv_width(), image.uv_width()];
                picture.copy_planes(split_planes(&image), strides)?;
            }
            _ => write_resampled(&image, picture),
        }
        Ok(())
    }

    fn decode_rgb(
        &mut self,
        jpeg: &[u8],
        size: PictureSize,
        picture: &mut PictureMut,
    ) -> Result<(), JpegError> {
        let [width, height] = [size.width as usize, size.height as usize];
        self.scratch.resize(width * height * 3, 0);
        let target = Image {
            pixels: self.scratch.as_mut_slice(),
            width,
            pitch: width * 3,
            height,
            format: PixelFormat::RGB,
        };
        tolerate(self.turbo.decompress(jpeg, target))?;
        write_rgb(&self.scratch, picture);
        Ok(())
    }
}

impl From<turbojpeg::Error> for JpegError {
    fn from(error: turbojpeg::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Lets pass what libjpeg only warns about and that costs no sample: cameras pad frames between the scan
/// and the end marker. Every other warning (data cut off, bad codes) means grey or torn blocks.
fn tolerate(result: turbojpeg::Result<()>) -> Result<(), JpegError> {
    const HARMLESS: &str = "extraneous bytes before marker";
    match result {
        Err(error) if !error.to_string().contains(HARMLESS) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Y, U and V of what the decoder wrote: one behind another, rows aligned.
fn split_planes<'a>(image: &'a YuvImage<&mut [u8]>) -> [&'a [u8]; 3] {
    let (luma, chroma) = image.pixels.split_at(image.y_width() * image.y_height());
    let (u, v) = chroma.split_at(image.uv_width() * image.uv_height());
    [luma, u, v]
}

/// Grey has luma only; its chroma is neutral.
fn write_grey(luma: &[u8], width: usize, picture: &mut PictureMut) {
    copy_plane(luma, width.next_multiple_of(ROW_ALIGN_BYTES), picture);
    picture.u_mut().fill(128);
    picture.v_mut().fill(128);
}

fn write_resampled(image: &YuvImage<&mut [u8]>, picture: &mut PictureMut) {
    let [luma, u, v] = split_planes(image);
    copy_plane(luma, image.y_width(), picture);
    let chroma = Chroma {
        stride: image.uv_width(),
        columns: image.width.div_ceil(image.subsamp.width()),
        rows: image.uv_height(),
        factor_x: image.subsamp.width(),
        factor_y: image.subsamp.height(),
    };
    let (columns, stride) = (picture.size().chroma_width() as usize, picture.c_stride());
    let [_, to_u, to_v] = picture.planes_mut();
    chroma.resample(u, to_u, columns, stride);
    chroma.resample(v, to_v, columns, stride);
}

fn copy_plane(luma: &[u8], stride: usize, picture: &mut PictureMut) {
    let width = picture.size().width as usize;
    let own_stride = picture.y_stride();
    let rows = picture.y_mut().chunks_mut(own_stride);
    for (to, from) in rows.zip(luma.chunks(stride)) {
        to[..width].copy_from_slice(&from[..width]);
    }
}

/// A chroma plane that is not 4:2:0.
struct Chroma {
    stride: usize,
    columns: usize,
    rows: usize,
    /// Luma samples per chroma sample.
    factor_x: usize,
    factor_y: usize,
}

impl Chroma {
    /// Each 4:2:0 sample covers two by two luma samples: it becomes the mean of the four source samples
    /// that those had (the same one several times where the source is coarser).
    fn resample(&self, from: &[u8], to: &mut [u8], columns: usize, to_stride: usize) {
        for (row, to) in to.chunks_mut(to_stride).enumerate() {
            let [top, bottom] = [2 * row, 2 * row + 1].map(|y| {
                let y = (y / self.factor_y).min(self.rows - 1);
                &from[y * self.stride..][..self.columns]
            });
            if self.factor_x == 2 {
                for ((to, a), b) in to[..columns].iter_mut().zip(top).zip(bottom) {
                    *to = (u16::from(*a) + u16::from(*b)).div_ceil(2) as u8;
                }
                continue;
            }
            for (column, to) in to[..columns].iter_mut().enumerate() {
                let [left, right] =
                    [2 * column, 2 * column + 1].map(|x| (x / self.factor_x).min(self.columns - 1));
                let sum = [top[left], top[right], bottom[left], bottom[right]]
                    .map(u16::from)
                    .iter()
                    .sum::<u16>();
                *to = ((sum + 2) / 4) as u8;
            }
        }
    }
}

/// RGB to full-range YCbCr (ITU-T T.871 §7), chroma of the mean colour of each two by two pixels.
fn write_rgb(rgb: &[u8], picture: &mut PictureMut) {
    let size = picture.size();
    let [width, height] = [size.width as usize, size.height as usize];
    let [y_stride, c_stride, _] = picture.strides();
    let [luma, u, v] = picture.planes_mut();
    let pixel = |x: usize, y: usize| {
        let at = (y.min(height - 1) * width + x.min(width - 1)) * 3;
        [rgb[at], rgb[at + 1], rgb[at + 2]].map(i32::from)
    };
    for y in 0..height {
        for x in 0..width {
            let [r, g, b] = pixel(x, y);
            luma[y * y_stride + x] = ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16) as u8;
        }
    }
    for y in 0..height.div_ceil(2) {
        for x in 0..width.div_ceil(2) {
            let corners =
                [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| pixel(2 * x + dx, 2 * y + dy));
            let [r, g, b] = [0, 1, 2].map(|c| corners.iter().map(|p| p[c]).sum::<i32>());
            let at = y * c_stride + x;
            u[at] = chroma_sample(-11059 * r - 21709 * g + 32768 * b);
            v[at] = chroma_sample(32768 * r - 27439 * g - 5329 * b);
        }
    }
}

/// A sum over four pixels in 1/65536, centred at 128.
fn chroma_sample(sum: i32) -> u8 {
    (((sum + (1 << 17)) >> 18) + 128).clamp(0, 255) as u8
}
