//! Encoding by libjpeg-turbo, planes as they lie: no colour conversion, no resampling, no copy of them.

use frame_buffer::{Picture, PictureSize};
use turbojpeg::{OutputBuf, Subsamp, YuvPlanesImage};

use crate::Quality;

/// A compressor with the buffer that it writes to.
#[derive(Debug)]
pub(crate) struct Compressor {
    turbo: turbojpeg::Compressor,
    /// Large enough for the worst case, so that libjpeg-turbo never reallocates; only the part
    /// that JPEGs reach is ever touched.
    output: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self {
            turbo: turbojpeg::Compressor::new().map_err(|error| error.to_string())?,
            output: Vec::new(),
        })
    }

    /// Bytes of its buffer.
    pub(crate) fn held_bytes(&self) -> usize {
        self.output.len()
    }

    /// The picture as baseline 4:2:0 JPEG.
    pub(crate) fn encode(&mut self, picture: &Picture, quality: Quality) -> Result<&[u8], String> {
        let len = self
            .encode_planes(picture, quality)
            .map_err(|error| error.to_string())?;
        Ok(&self.output[..len])
    }

    fn encode_planes(
        &mut self,
        picture: &Picture,
        quality: Quality,
    ) -> Result<usize, turbojpeg::Error> {
        let PictureSize { width, height } = picture.size();
        let [width, height] = [width as usize, height as usize];
        let most_bytes = turbojpeg::compressed_buf_len(width, height, Subsamp::Sub2x2)?;
        if self.output.len() < most_bytes {
            self.output = vec![0; most_bytes];
        }
        let planes = YuvPlanesImage {
            y_plane: picture.y_even(),
            u_plane: picture.u(),
            v_plane: picture.v(),
            width,
            height,
            y_stride: picture.y_stride(),
            u_stride: picture.c_stride(),
            v_stride: picture.c_stride(),
            subsamp: Subsamp::Sub2x2,
        };
        self.turbo.set_quality(i32::from(quality.get()))?;
        let mut output = OutputBuf::borrowed(&mut self.output);
        self.turbo.compress_yuv_planes(&planes, &mut output)?;
        Ok(output.len())
    }
}
