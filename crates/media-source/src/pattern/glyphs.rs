//! The pattern's figures: strokes with round ends, drawn once per size as coverage masks.
//!
//! Fed by a height in pixels; feeds the [canvas](super::canvas). Coordinates are in glyph heights: a cell
//! is [`CELL_WIDTH`] wide and 1 high, y points down.

use std::f32::consts::TAU;

/// Width of a cell in heights.
const CELL_WIDTH: f32 = 0.6;
/// Half the width of a stroke in heights.
const STROKE_RADIUS: f32 = 0.062;
/// Straight pieces of a full ellipse: no corner shows at 400 pixels' height.
const ELLIPSE_PIECES: f32 = 32.0;

/// Everything that the pattern can write.
pub(super) const GLYPHS: &str = "0123456789:.xHz ";

type Point = (f32, f32);

/// One glyph in pixels: how much of each is covered, 0 to 255.
pub(super) struct Mask {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) coverage: Vec<u8>,
}

/// The glyphs in one size.
pub(super) struct Font {
    masks: Vec<Mask>,
}

impl Font {
    pub(super) fn new(height: usize) -> Self {
        Self {
            masks: GLYPHS.chars().map(|glyph| draw(glyph, height)).collect(),
        }
    }

    /// The mask of a glyph; that of a space for a character the pattern never writes.
    pub(super) fn mask(&self, glyph: char) -> Option<&Mask> {
        let index = GLYPHS.chars().position(|c| c == glyph);
        index.map_or(self.masks.last(), |i| self.masks.get(i))
    }

    /// Width of a text in pixels.
    pub(super) fn width(&self, text: &str) -> usize {
        let widths = text.chars().filter_map(|c| self.mask(c)).map(|m| m.width);
        widths.sum()
    }
}

fn draw(glyph: char, height: usize) -> Mask {
    let cell = match glyph {
        ':' | '.' => CELL_WIDTH / 2.0,
        _ => CELL_WIDTH,
    };
    let scale = height as f32;
    let width = (cell * scale).round() as usize;
    let mut mask = Mask {
        width,
        height,
        coverage: vec![0; width * height],
    };
    for stroke in strokes(glyph) {
        for piece in stroke.windows(2) {
            cover(&mut mask, piece[0], piece[1], scale);
        }
    }
    mask
}

/// Covers the pixels within the stroke's radius of a straight piece.
fn cover(mask: &mut Mask, from: Point, to: Point, scale: f32) {
    let radius = STROKE_RADIUS * scale;
    let [from, to] = [from, to].map(|(x, y)| (x * scale, y * scale));
    let reach = radius + 1.0;
    let span = |a: f32, b: f32, end: usize| {
        let first = (a.min(b) - reach).max(0.0) as usize;
        let last = (a.max(b) + reach).max(0.0) as usize;
        first.min(end)..last.min(end)
    };
    for y in span(from.1, to.1, mask.height) {
        for x in span(from.0, to.0, mask.width) {
            let distance = distance((x as f32 + 0.5, y as f32 + 0.5), from, to);
            let coverage = ((radius - distance + 0.5).clamp(0.0, 1.0) * 255.0) as u8;
            let pixel = &mut mask.coverage[y * mask.width + x];
            *pixel = coverage.max(*pixel);
        }
    }
}

/// Distance of a point from a straight piece.
fn distance(point: Point, from: Point, to: Point) -> f32 {
    let along = (to.0 - from.0, to.1 - from.1);
    let offset = (point.0 - from.0, point.1 - from.1);
    let length_squared = along.0 * along.0 + along.1 * along.1;
    let share = if length_squared > 0.0 {
        ((offset.0 * along.0 + offset.1 * along.1) / length_squared).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (offset.0 - share * along.0).hypot(offset.1 - share * along.1)
}

/// Part of an ellipse, from one angle to another in degrees, clockwise from the right.
fn arc(centre: Point, radius: Point, from: f32, to: f32) -> Vec<Point> {
    let pieces = ((to - from).abs() / 360.0 * ELLIPSE_PIECES).ceil().max(1.0);
    (0..=pieces as usize)
        .map(|i| {
            let angle = (from + (to - from) * i as f32 / pieces) / 360.0 * TAU;
            let (sin, cos) = angle.sin_cos();
            (centre.0 + radius.0 * cos, centre.1 + radius.1 * sin)
        })
        .collect()
}

/// A quadratic Bézier curve.
fn curve(from: Point, through: Point, to: Point) -> Vec<Point> {
    const PIECES: usize = 12;
    let mix = |a: f32, b: f32, c: f32, t: f32| {
        let rest = 1.0 - t;
        rest * rest * a + 2.0 * rest * t * b + t * t * c
    };
    (0..=PIECES)
        .map(|i| i as f32 / PIECES as f32)
        .map(|t| {
            (
                mix(from.0, through.0, to.0, t),
                mix(from.1, through.1, to.1, t),
            )
        })
        .collect()
}

fn joined(parts: impl IntoIterator<Item = Vec<Point>>) -> Vec<Point> {
    parts.into_iter().flatten().collect()
}

fn strokes(glyph: char) -> Vec<Vec<Point>> {
    match glyph {
        '0' => vec![joined([
            arc((0.3, 0.29), (0.2, 0.22), 180.0, 360.0),
            arc((0.3, 0.71), (0.2, 0.22), 0.0, 180.0),
            vec![(0.1, 0.29)],
        ])],
        '1' => vec![vec![(0.15, 0.23), (0.32, 0.07), (0.32, 0.93)]],
        '2' => vec![joined([
            arc((0.3, 0.29), (0.2, 0.22), 190.0, 395.0),
            vec![(0.09, 0.93), (0.51, 0.93)],
        ])],
        '3' => vec![joined([
            arc((0.29, 0.275), (0.19, 0.205), 205.0, 450.0),
            arc((0.29, 0.705), (0.21, 0.225), 270.0, 510.0),
        ])],
        '4' => vec![vec![(0.4, 0.93), (0.4, 0.07), (0.08, 0.67), (0.53, 0.67)]],
        '5' => vec![joined([
            vec![(0.48, 0.07), (0.15, 0.07), (0.13, 0.45)],
            arc((0.29, 0.655), (0.21, 0.275), 225.0, 510.0),
        ])],
        '6' => six(|point| point),
        '7' => vec![vec![(0.08, 0.07), (0.51, 0.07), (0.23, 0.93)]],
        '8' => vec![
            arc((0.3, 0.275), (0.175, 0.205), 0.0, 360.0),
            arc((0.3, 0.705), (0.205, 0.225), 0.0, 360.0),
        ],
        '9' => six(|(x, y)| (CELL_WIDTH - x, 1.0 - y)),
        ':' => vec![vec![(0.15, 0.33); 2], vec![(0.15, 0.73); 2]],
        '.' => vec![vec![(0.15, 0.92); 2]],
        'x' => vec![
            vec![(0.13, 0.45), (0.47, 0.93)],
            vec![(0.47, 0.45), (0.13, 0.93)],
        ],
        'H' => vec![
            vec![(0.1, 0.07), (0.1, 0.93)],
            vec![(0.5, 0.07), (0.5, 0.93)],
            vec![(0.1, 0.49), (0.5, 0.49)],
        ],
        'z' => vec![vec![(0.14, 0.45), (0.46, 0.45), (0.13, 0.93), (0.47, 0.93)]],
        _ => Vec::new(),
    }
}

/// A six, each point mapped: turned by half a turn it is a nine.
fn six(map: impl Fn(Point) -> Point) -> Vec<Vec<Point>> {
    let stem = curve((0.42, 0.07), (0.12, 0.26), (0.095, 0.66));
    let bowl = arc((0.3, 0.675), (0.205, 0.255), 0.0, 360.0);
    [stem, bowl]
        .into_iter()
        .map(|stroke| stroke.into_iter().map(&map).collect())
        .collect()
}
