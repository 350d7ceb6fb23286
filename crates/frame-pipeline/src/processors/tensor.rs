//! A frame's pixels as a model takes them: planes R, G and B of values 0–1, scaled to its size.
//!
//! Each value is the mean of the samples that it covers; where the model's picture is larger than
//! the frame, the nearest one.

use frame_buffer::{ColorRange, Picture, Plane};

use crate::FrameContent;

/// One colour channel: rows of samples, `step` bytes from one to the next.
struct Channel<'a> {
    bytes: &'a [u8],
    stride: usize,
    step: usize,
    width: usize,
    height: usize,
}

/// R, G and B, one after the other, each `height` rows of `width` values.
///
/// # Errors
/// When the content has no pixels.
pub(super) fn rgb(content: &FrameContent, width: usize, height: usize) -> Result<Vec<f32>, String> {
    content.check().map_err(|error| error.to_string())?;
    match content {
        FrameContent::Picture(picture) => Ok(rgb_of_picture(picture, width, height)),
        FrameContent::Bgr {
            width: columns,
            height: rows,
            bytes,
        } => {
            let channel = |offset: usize| Channel {
                bytes: &bytes[offset..],
                stride: *columns as usize * 3,
                step: 3,
                width: *columns as usize,
                height: *rows as usize,
            };
            let channels = [2, 1, 0].map(|offset| channel(offset).scaled(width, height));
            Ok(channels
                .into_iter()
                .flatten()
                .map(|it| it / 255.0)
                .collect())
        }
        FrameContent::Opaque(_) => Err("the frame has no pixels".to_owned()),
    }
}

/// ITU-R BT.601, as JFIF has it.
fn rgb_of_picture(picture: &Picture, width: usize, height: usize) -> Vec<f32> {
    let [y, u, v] = Plane::ALL.map(|plane| {
        let plane = picture.plane(plane);
        let channel = Channel {
            bytes: plane.bytes,
            stride: plane.stride,
            step: 1,
            width: plane.width,
            height: plane.height,
        };
        channel.scaled(width, height)
    });
    let (black, luma, chroma) = match picture.range() {
        ColorRange::Limited => (16.0, 1.0 / 219.0, 1.0 / 224.0),
        ColorRange::Full => (0.0, 1.0 / 255.0, 1.0 / 255.0),
    };
    let pixels = width * height;
    let mut rgb = vec![0.0; 3 * pixels];
    for (at, ((y, u), v)) in y.into_iter().zip(u).zip(v).enumerate() {
        let y = (y - black) * luma;
        let [u, v] = [(u - 128.0) * chroma, (v - 128.0) * chroma];
        let colors = [
            y + 1.402 * v,
            y - 0.344_136 * u - 0.714_136 * v,
            y + 1.772 * u,
        ];
        for (plane, color) in colors.into_iter().enumerate() {
            rgb[plane * pixels + at] = color.clamp(0.0, 1.0);
        }
    }
    rgb
}

impl Channel<'_> {
    fn scaled(&self, width: usize, height: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            let rows = covered(y, height, self.height);
            for x in 0..width {
                values.push(self.mean(covered(x, width, self.width), rows.clone()));
            }
        }
        values
    }

    fn mean(&self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> f32 {
        let count = columns.len() * rows.len();
        let mut sum = 0_u64;
        for row in rows {
            let start = row * self.stride + columns.start * self.step;
            let samples = self.bytes[start..].iter().step_by(self.step);
            let samples = samples.take(columns.len());
            sum += samples.map(|&sample| u64::from(sample)).sum::<u64>();
        }
        (sum as f64 / count as f64) as f32
    }
}

/// Which of `from` samples the value `at` of `to` covers: at least one.
fn covered(at: usize, to: usize, from: usize) -> std::ops::Range<usize> {
    let start = at * from / to;
    start..((at + 1) * from / to).max(start + 1)
}
