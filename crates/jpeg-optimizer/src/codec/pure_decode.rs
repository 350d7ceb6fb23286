//! Decoding by zune-jpeg, which gives three components for each pixel: chroma is brought back to 4:2:0
//! ([`pure_chroma`](super::pure_chroma)). It cannot decode at a part of the size: the picture is decoded whole and scaled.
//! Where chroma is coarser than every other sample, 0.5.15 puts rows in wrong places and says nothing: those go to
//! jpeg-decoder, which takes any sampling but fills what is missing in a damaged scan.

use frame_buffer::{ColorRange, FramePool, Picture, PictureMut};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::pure_chroma::WholeChroma;
use crate::Renderer;
use crate::decode::{
    ChromaSampling, DecodeScale, JpegError, JpegHeader, copy_luma, write_grey_chroma, write_rgb,
};

/// A decoder with the memory that it writes to.
pub(crate) struct Decompressor {
    options: DecoderOptions,
    scratch: Vec<u8>,
    planes: [Vec<u8>; 3],
    renderer: Renderer,
}

impl Decompressor {
    #[expect(clippy::unnecessary_wraps, reason = "the other library's can fail")]
    pub(crate) fn new(max_scans: usize) -> Result<Self, JpegError> {
        Ok(Self {
            // A JPEG that is cut off or has bad codes is an error, not a grey picture.
            options: DecoderOptions::default()
                .set_strict_mode(true)
                .jpeg_set_max_scans(max_scans),
            scratch: Vec::new(),
            planes: Default::default(),
            renderer: Renderer::new(),
        })
    }

    /// Bytes beside the picture: one or three for each pixel, twice (interleaved and as planes), and the whole picture where
    /// it is then scaled.
    pub(crate) fn scratch_bytes(header: &JpegHeader, scale: DecodeScale) -> usize {
        let pixels = header.size.width as usize * header.size.height as usize;
        let whole = if scale == DecodeScale::Whole {
            0
        } else {
            pixels * 3 / 2
        };
        let coded = if is_coarse(header) { header.samples } else { 0 };
        2 * pixels * usize::from(header.components) + whole + coded
    }

    pub(crate) fn decode(
        &mut self,
        jpeg: &[u8],
        header: &JpegHeader,
        scale: DecodeScale,
        pool: &FramePool,
    ) -> Result<Picture, JpegError> {
        let mut picture = pool.take(header.size)?;
        picture.set_range(ColorRange::Full);
        self.decode_whole(jpeg, header, &mut picture)?;
        let whole = picture.freeze();
        if scale == DecodeScale::Whole {
            return Ok(whole);
        }
        self.renderer
            .render(&whole, scale.apply(header.size))
            .map_err(|error| JpegError::Damaged(error.to_string()))
    }

    fn decode_whole(
        &mut self,
        jpeg: &[u8],
        header: &JpegHeader,
        picture: &mut PictureMut,
    ) -> Result<(), JpegError> {
        let damaged =
            |error: zune_jpeg::errors::DecodeErrors| JpegError::Damaged(error.to_string());
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), self.options);
        decoder.decode_headers().map_err(damaged)?;
        let declared = (header.size.width as usize, header.size.height as usize);
        if decoder.dimensions() != Some(declared) {
            return Err(JpegError::Header("two sizes"));
        }
        let colours = colours(decoder.input_colorspace(), header)?;
        decoder.set_options(self.options.jpeg_set_out_colorspace(colours));
        let len = decoder.output_buffer_size().unwrap_or(0);
        if len != declared.0 * declared.1 * colours.num_components() {
            return Err(JpegError::Header("components that do not fit its size"));
        }
        if is_coarse(header) {
            self.scratch = decode_coarse(jpeg, len)?;
        } else {
            self.scratch.resize(len, 0);
            decoder.decode_into(&mut self.scratch).map_err(damaged)?;
        }
        match colours {
            ColorSpace::Luma => {
                copy_luma(&self.scratch, declared.0, picture);
                write_grey_chroma(picture);
            }
            ColorSpace::RGB => write_rgb(&self.scratch, picture),
            _ => self.write_ycbcr(header, picture),
        }
        Ok(())
    }

    fn write_ycbcr(&mut self, header: &JpegHeader, picture: &mut PictureMut) {
        let width = header.size.width as usize;
        let (pixels, _) = self.scratch.as_chunks::<3>();
        for (component, plane) in self.planes.iter_mut().enumerate() {
            plane.clear();
            plane.extend(pixels.iter().map(|pixel| pixel[component]));
        }
        copy_luma(&self.planes[0], width, picture);
        let mut chroma = WholeChroma::new(header);
        let (columns, stride) = (picture.size().chroma_width() as usize, picture.c_stride());
        let [_, to_u, to_v] = picture.planes_mut();
        chroma.halve(&self.planes[1], to_u, columns, stride);
        chroma.halve(&self.planes[2], to_v, columns, stride);
    }
}

/// What the components are. An Adobe marker's transform 0 and 2 say RGB and YCbCr where there are three of them (the
/// library corrects its own answer only later), CMYK and YCCK where there are four.
fn colours(declared: Option<ColorSpace>, header: &JpegHeader) -> Result<ColorSpace, JpegError> {
    match (declared, header.components) {
        (Some(ColorSpace::Luma), _) => Ok(ColorSpace::Luma),
        (Some(ColorSpace::YCbCr), _) | (Some(ColorSpace::YCCK), 3) => Ok(ColorSpace::YCbCr),
        (Some(ColorSpace::RGB), _) | (Some(ColorSpace::CMYK), 3) => Ok(ColorSpace::RGB),
        _ => Err(JpegError::Unsupported("CMYK")),
    }
}

/// Whether zune-jpeg 0.5.15 would get it wrong: chroma for four samples across or down in one scan, or luma that is not the
/// finest.
fn is_coarse(header: &JpegHeader) -> bool {
    match header.sampling {
        ChromaSampling::Grey | ChromaSampling::Every(1 | 2, 1 | 2) => false,
        ChromaSampling::Every(..) => !header.progressive,
        ChromaSampling::Other => true,
    }
}

/// Three components for each pixel, as they are coded: to take them for R, G and B is to convert nothing.
fn decode_coarse(jpeg: &[u8], len: usize) -> Result<Vec<u8>, JpegError> {
    let mut decoder = jpeg_decoder::Decoder::new(jpeg);
    decoder.set_color_transform(jpeg_decoder::ColorTransform::RGB);
    decoder.set_max_decoding_buffer_size(len);
    let pixels = decoder
        .decode()
        .map_err(|error| JpegError::Damaged(error.to_string()))?;
    if pixels.len() != len {
        return Err(JpegError::Header("components that do not fit its size"));
    }
    Ok(pixels)
}
