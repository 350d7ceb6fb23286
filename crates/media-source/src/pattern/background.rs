//! What stays the same from frame to frame, drawn once.
//!
//! Fed by the size and rate; copied row by row into every frame.

use frame_buffer::PictureMut;

use super::Geometry;
use super::canvas::{Canvas, Colour};
use super::glyphs::Font;

/// 75 % bars, as on test cards (SMPTE ECR 1-1978).
const BARS: [(f32, f32, f32); 7] = [
    (0.75, 0.75, 0.75),
    (0.75, 0.75, 0.0),
    (0.0, 0.75, 0.75),
    (0.0, 0.75, 0.0),
    (0.75, 0.0, 0.75),
    (0.75, 0.0, 0.0),
    (0.0, 0.0, 0.75),
];
/// Steps of the grey ramp.
const GREYS: usize = 16;

/// Draws everything but the moving parts.
pub(super) fn draw(picture: &mut PictureMut, geometry: &Geometry, rate_label: &str) {
    let mut canvas = Canvas::new(picture);
    let width = geometry.width;
    for (i, (r, g, b)) in BARS.into_iter().enumerate() {
        let [from, to] =
            [i, i + 1].map(|i| (i * width / BARS.len()).next_multiple_of(geometry.grid));
        canvas.fill(from, 0, to, geometry.bars_end, Colour::rgb(r, g, b));
    }
    for i in 0..GREYS {
        let [from, to] = [i, i + 1].map(|i| (i * width / GREYS).next_multiple_of(geometry.grid));
        let luma = 16 + i * 219 / (GREYS - 1);
        canvas.fill(
            from,
            geometry.bars_end,
            to,
            geometry.ramp_end,
            Colour::grey(luma as u8),
        );
    }
    draw_night(&mut canvas, geometry);
    draw_labels(&mut canvas, geometry, rate_label);
}

/// From a dark blue at the top to a dark teal: calm behind the number, and cheap to encode.
fn draw_night(canvas: &mut Canvas<'_>, geometry: &Geometry) {
    let rows = geometry.height - geometry.ramp_end;
    for y in (geometry.ramp_end..geometry.height).step_by(2) {
        let share = (y - geometry.ramp_end) as f32 / rows as f32;
        let mix = |from: f32, to: f32| from + (to - from) * share;
        let colour = Colour::rgb(mix(0.04, 0.02), mix(0.07, 0.24), mix(0.19, 0.30));
        canvas.fill(0, y, geometry.width, y + 2, colour);
    }
}

/// The size on the left, the rate on the right.
fn draw_labels(canvas: &mut Canvas<'_>, geometry: &Geometry, rate_label: &str) {
    let font = Font::new(geometry.label_height);
    let size = format!("{}x{}", geometry.width, geometry.height);
    let room = font.width(&size) + font.width(rate_label) + 3 * geometry.margin;
    if room > geometry.width {
        return;
    }
    let right = geometry.width - geometry.margin - font.width(rate_label);
    canvas.write(&font, &size, geometry.margin, geometry.label_top);
    canvas.write(&font, rate_label, right, geometry.label_top);
}
