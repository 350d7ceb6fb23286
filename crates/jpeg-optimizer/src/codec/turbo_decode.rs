//! Decoding by libjpeg-turbo: 4:2:0 is taken as it is, other chroma is resampled, RGB converted.

use frame_buffer::{ColorRange, FramePool, Picture, PictureMut};
use turbojpeg::{
    Colorspace, DecompressHeader, Image, PixelFormat, ScalingFactor, Subsamp, YuvImage,
    yuv_pixels_len,
};

use crate::decode::{
    Chroma, DecodeScale, JpegError, JpegHeader, copy_luma, write_grey_chroma, write_rgb,
};

/// Row alignment of the decoder's output: one cache line.
const ROW_ALIGN_BYTES: usize = 64;

/// A decoder with the memory that it writes to.
pub(crate) struct Decompressor {
    turbo: turbojpeg::Decompressor,
    scratch: Vec<u8>,
}

impl Decompressor {
    pub(crate) fn new(max_scans: usize) -> Result<Self, JpegError> {
        let mut turbo = turbojpeg::Decompressor::new()?;
        turbo.set_scan_limit(u32::try_from(max_scans).unwrap_or(u32::MAX))?;
        Ok(Self {
            turbo,
            scratch: Vec::new(),
        })
    }

    /// Bytes beside the picture: its planes as they are coded, or RGB.
    pub(crate) fn scratch_bytes(header: &JpegHeader, scale: DecodeScale) -> usize {
        header.samples / (scale.divisor() as usize).pow(2)
    }

    pub(crate) fn decode(
        &mut self,
        jpeg: &[u8],
        header: &JpegHeader,
        scale: DecodeScale,
        pool: &FramePool,
    ) -> Result<Picture, JpegError> {
        let turbo = self.turbo.read_header(jpeg)?;
        let declared = (header.size.width as usize, header.size.height as usize);
        if (turbo.width, turbo.height) != declared {
            return Err(JpegError::Header("two sizes"));
        }
        if turbo.is_lossless {
            return Err(JpegError::Unsupported("lossless"));
        }
        if matches!(turbo.colorspace, Colorspace::CMYK | Colorspace::YCCK) {
            return Err(JpegError::Unsupported("CMYK"));
        }
        let factor = ScalingFactor::new(1, scale.divisor() as usize);
        self.turbo.set_scaling_factor(factor)?;
        let mut picture = pool.take(scale.apply(header.size))?;
        picture.set_range(ColorRange::Full);
        let planar = matches!(turbo.colorspace, Colorspace::YCbCr | Colorspace::Gray)
            && turbo.subsamp != Subsamp::Unknown;
        if planar {
            self.decode_planes(jpeg, &turbo, &mut picture)?;
        } else {
            self.decode_rgb(jpeg, &mut picture)?;
        }
        Ok(picture.freeze())
    }

    fn decode_planes(
        &mut self,
        jpeg: &[u8],
        header: &DecompressHeader,
        picture: &mut PictureMut,
    ) -> Result<(), JpegError> {
        let size = picture.size();
        let (width, height, subsamp) = (size.width as usize, size.height as usize, header.subsamp);
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
            Subsamp::Gray => {
                copy_luma(image.pixels, image.y_width(), picture);
                write_grey_chroma(picture);
            }
            Subsamp::Sub2x2 => {
                let strides = [image.y_width(), image.uv_width(), image.uv_width()];
                picture.copy_planes(split_planes(&image), strides)?;
            }
            _ => write_resampled(&image, picture),
        }
        Ok(())
    }

    fn decode_rgb(&mut self, jpeg: &[u8], picture: &mut PictureMut) -> Result<(), JpegError> {
        let size = picture.size();
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

fn write_resampled(image: &YuvImage<&mut [u8]>, picture: &mut PictureMut) {
    let [luma, u, v] = split_planes(image);
    copy_luma(luma, image.y_width(), picture);
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
