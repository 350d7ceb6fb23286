//! The `test:` pattern: colour bars, a sweep, the frame's number in big figures and in a strip that a
//! program can read.
//!
//! Fed by nothing but its options, so it needs no file and never fails; hands out frames.

mod background;
mod canvas;
mod glyphs;
mod options;
mod strip;

pub use options::PatternOptions;

use std::time::Duration;

use frame_buffer::{FrameId, FramePool, Picture, PictureSize, VideoFrame};

use crate::rate::Rate;
use crate::{DecodeError, FrameSource, OpenError, VideoInfo};
use canvas::Canvas;
use glyphs::Font;

/// How long the sweep takes from edge to edge.
const SWEEP: Duration = Duration::from_secs(4);
/// Luma that the sweep adds where it is brightest.
const SWEEP_LIGHT: f32 = 70.0;
/// Luma that the line of the second adds.
const SECOND_LIGHT: u8 = 120;

/// Where things are, in pixels.
#[derive(Debug)]
struct Geometry {
    width: usize,
    height: usize,
    /// Edges of the still parts lie on multiples of this.
    grid: usize,
    margin: usize,
    bars_end: usize,
    ramp_end: usize,
    number_top: usize,
    number_height: usize,
    time_top: usize,
    time_height: usize,
    label_top: usize,
    label_height: usize,
    second_top: usize,
    /// First row of the strip.
    strip_top: usize,
}

impl Geometry {
    fn new(size: PictureSize) -> Self {
        let [width, height] = [size.width as usize, size.height as usize];
        // Figures go by the height of a 16:9 picture, so that they fit a narrow one as well.
        let unit = height.min(width * 9 / 16);
        let strip_top = height - strip::height(height);
        // On the blocks of a 4:2:0 JPEG, hard edges cost nothing; a small picture has no room for that.
        let grid = if width.min(height) >= 360 { 16 } else { 2 };
        let ramp_end = (height * 35 / 100).next_multiple_of(grid);
        let number_height = unit * 28 / 100;
        let time_height = unit * 8 / 100;
        let label_height = (unit * 4 / 100).max(6);
        let used = number_height + 2 * time_height;
        let label_top = strip_top.saturating_sub(label_height * 5 / 2);
        let free = label_top.saturating_sub(ramp_end + used);
        let number_top = (ramp_end + free / 2).next_multiple_of(2);
        Self {
            width,
            height,
            grid,
            margin: label_height,
            bars_end: (height * 28 / 100).next_multiple_of(grid),
            ramp_end,
            number_top,
            number_height,
            time_top: (number_top + number_height + time_height * 3 / 4).next_multiple_of(2),
            time_height,
            label_top: label_top.next_multiple_of(2),
            label_height,
            second_top: strip_top.saturating_sub((label_height / 4).max(2)),
            strip_top,
        }
    }
}

/// A pattern whose every frame carries its number.
///
/// ```
/// use frame_buffer::FramePool;
/// use media_source::{FrameSource, PatternOptions, TestPattern};
///
/// let options = PatternOptions { frames: Some(2), ..PatternOptions::default() };
/// let mut pattern = TestPattern::new(options, FramePool::new(4))?;
/// let first = pattern.next_frame()?.expect("a first frame");
/// assert_eq!(first.id.0, 0);
/// assert_eq!(first.picture.size().width, 1280);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestPattern {
    info: VideoInfo,
    rate: Rate,
    frames: Option<u64>,
    pool: FramePool,
    geometry: Geometry,
    background: Picture,
    number_font: Font,
    time_font: Font,
    /// The sweep's luma from its tail to its head.
    sweep: Vec<u8>,
    next: u64,
}

impl TestPattern {
    /// Draws what does not move.
    ///
    /// # Errors
    /// [`OpenError::OutOfRange`] naming the option.
    pub fn new(options: PatternOptions, pool: FramePool) -> Result<Self, OpenError> {
        let rate = options.checked_rate()?;
        let geometry = Geometry::new(options.size);
        let out_of_range = |_| OpenError::OutOfRange {
            field: "size",
            value: options.size.to_string(),
            accepted: options::ACCEPTED_SIZES,
        };
        // From a pool of its own, since the background is not given back while the pattern lives.
        let mut background = FramePool::new(0).take(options.size).map_err(out_of_range)?;
        let rate_label = format!("{} Hz", rate.fps());
        background::draw(&mut background, &geometry, &rate_label);
        let info = VideoInfo {
            size: options.size,
            frame_rate: rate.fps(),
            frame_count: options.frames,
            duration: options.frames.map(|frames| rate.start(frames)),
            codec: "test pattern".to_owned(),
            container: "generated".to_owned(),
        };
        Ok(Self {
            info,
            rate,
            frames: options.frames,
            pool,
            number_font: Font::new(geometry.number_height),
            time_font: Font::new(geometry.time_height),
            sweep: sweep_light(geometry.width / 6),
            background: background.freeze(),
            geometry,
            next: 0,
        })
    }

    fn draw(&self, number: u64) -> Result<Picture, frame_buffer::PictureError> {
        let base = &self.background;
        let mut picture = self.pool.take(base.size())?;
        let strides = [base.y_stride(), base.c_stride(), base.c_stride()];
        picture.copy_planes([base.y(), base.u(), base.v()], strides)?;
        let mut canvas = Canvas::new(&mut picture);
        self.draw_sweep(&mut canvas, number);
        self.draw_second(&mut canvas, number);
        self.draw_figures(&mut canvas, number);
        let geometry = &self.geometry;
        strip::draw(&mut canvas, geometry.width, geometry.height, number as u32);
        Ok(picture.freeze())
    }

    /// A light that goes from left to right with a tail behind it.
    fn draw_sweep(&self, canvas: &mut Canvas<'_>, number: u64) {
        let geometry = &self.geometry;
        let path = geometry.width + self.sweep.len();
        let into = self.rate.start(number).as_nanos() % SWEEP.as_nanos();
        let head = (into * path as u128 / SWEEP.as_nanos()) as usize;
        let rows = (geometry.ramp_end, geometry.second_top);
        match head.checked_sub(self.sweep.len()) {
            Some(x) => canvas.lighten(x, rows.0, rows.1, &self.sweep),
            None => {
                let visible = &self.sweep[self.sweep.len() - head..];
                canvas.lighten(0, rows.0, rows.1, visible);
            }
        }
    }

    /// A line that fills up once a second.
    fn draw_second(&self, canvas: &mut Canvas<'_>, number: u64) {
        let geometry = &self.geometry;
        let into = u64::from(self.rate.start(number).subsec_nanos());
        let end = (into * geometry.width as u64 / 1_000_000_000) as usize;
        let light = vec![SECOND_LIGHT; end];
        canvas.lighten(0, geometry.second_top, geometry.strip_top, &light);
    }

    fn draw_figures(&self, canvas: &mut Canvas<'_>, number: u64) {
        let geometry = &self.geometry;
        let figures = format!("{number:06}");
        let centred = |font: &Font, text: &str| {
            (geometry.width.saturating_sub(font.width(text)) / 2).next_multiple_of(2)
        };
        let x = centred(&self.number_font, &figures);
        canvas.write(&self.number_font, &figures, x, geometry.number_top);
        let time = clock_time(self.rate.start(number));
        let x = centred(&self.time_font, &time);
        canvas.write(&self.time_font, &time, x, geometry.time_top);
    }
}

impl FrameSource for TestPattern {
    fn info(&self) -> &VideoInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<VideoFrame>, DecodeError> {
        if self.frames.is_some_and(|frames| self.next >= frames) {
            return Ok(None);
        }
        let number = self.next;
        let picture = self.draw(number).map_err(|source| DecodeError::Picture {
            name: "test:".to_owned(),
            source,
        })?;
        self.next += 1;
        let (pts, duration) = self.rate.times(number);
        Ok(Some(VideoFrame {
            id: FrameId(number),
            pts,
            duration,
            picture,
        }))
    }

    fn rewind(&mut self) -> Result<(), DecodeError> {
        self.next = 0;
        Ok(())
    }

    fn seek(&mut self, to: Duration) -> Result<(), DecodeError> {
        let last = self
            .frames
            .map_or(u64::MAX, |frames| frames.saturating_sub(1));
        self.next = self.rate.index_at(to).min(last);
        Ok(())
    }
}

/// Rises from nothing at the tail to full light at the head.
fn sweep_light(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| {
            let share = (i + 1) as f32 / length as f32;
            (share * share * SWEEP_LIGHT) as u8
        })
        .collect()
}

/// `H:MM:SS.mmm`, hours left out while there are none.
fn clock_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let millis = time.subsec_millis();
    match hours {
        0 => format!("{minutes:02}:{seconds:02}.{millis:03}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{millis:03}"),
    }
}
