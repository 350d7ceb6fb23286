//! Encoding by jpeg-encoder, which wants whole rows of three components: chroma is repeated for it, and of each two by
//! two samples it takes the first, so that the planes come out as they went in.

use frame_buffer::{Picture, Plane};
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use crate::Quality;

/// A buffer that JPEGs are written to.
#[derive(Debug)]
pub(crate) struct Compressor {
    output: Vec<u8>,
}

impl Compressor {
    #[expect(clippy::unnecessary_wraps, reason = "the other library's can fail")]
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self { output: Vec::new() })
    }

    /// Bytes of its buffer.
    pub(crate) fn held_bytes(&self) -> usize {
        self.output.capacity()
    }

    /// The picture as baseline 4:2:0 JPEG.
    pub(crate) fn encode(&mut self, picture: &Picture, quality: Quality) -> Result<&[u8], String> {
        self.output.clear();
        let mut encoder = Encoder::new(&mut self.output, quality.get());
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder
            .encode_image(Planes(picture))
            .map_err(|error| error.to_string())?;
        Ok(&self.output)
    }
}

struct Planes<'a>(&'a Picture);

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    // A picture's sides are at most 16,384.
    fn width(&self) -> u16 {
        self.0.size().width as u16
    }

    fn height(&self) -> u16 {
        self.0.size().height as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let row = usize::from(y);
        let [luma, u, v, _] = buffers;
        luma.extend_from_slice(row_of(self.0, Plane::Y, row));
        for (plane, to) in [(Plane::U, u), (Plane::V, v)] {
            let twice = row_of(self.0, plane, row / 2)
                .iter()
                .flat_map(|&it| [it, it]);
            to.extend(twice.take(usize::from(self.width())));
        }
    }
}

fn row_of(picture: &Picture, plane: Plane, row: usize) -> &[u8] {
    let view = picture.plane(plane);
    &view.bytes[row * view.stride..][..view.width]
}
