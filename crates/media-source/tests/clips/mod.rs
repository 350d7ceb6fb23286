//! Moving pictures that bitrates are judged on: the test pattern always, filmed clips where they lie beside the project.

pub(crate) mod playback;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use frame_buffer::{FramePool, PictureSize};
use jpeg_optimizer::{JpegEncoder, Quality, Renderer};
use media_source::{FrameSource, PatternOptions, TestPattern, open_reader};

/// Ten seconds at 30 fps; a longer play begins again.
const FRAMES: u64 = 300;

/// The length of every frame's JPEG at some qualities.
pub(crate) struct Clip {
    /// For messages.
    pub(crate) name: String,
    /// Frames per second.
    pub(crate) fps: f64,
    /// The qualities, worst first.
    pub(crate) qualities: Vec<Quality>,
    lengths: Vec<Vec<usize>>,
}

impl Clip {
    /// Encodes the clip's frames at each quality.
    fn measure(name: &str, source: &mut dyn FrameSource, qualities: &[Quality]) -> Self {
        let (encoder, renderer) = (JpegEncoder::new(), Renderer::new());
        let mut lengths = Vec::new();
        while let Ok(Some(frame)) = source.next_frame() {
            let picture = &frame.picture;
            let picture = renderer.render(picture, picture.size()).expect("same size");
            let length = |&quality| encoder.encode(&picture, quality).expect("a JPEG").len();
            lengths.push(qualities.iter().map(length).collect());
            if lengths.len() as u64 == FRAMES {
                break;
            }
        }
        Self {
            name: name.to_owned(),
            fps: source.info().frame_rate,
            qualities: qualities.to_vec(),
            lengths,
        }
    }

    /// Bytes of frame `at`, counted on beyond the end, at one of the qualities.
    pub(crate) fn bytes(&self, at: u64, quality: Quality) -> usize {
        let column = self.qualities.iter().position(|&it| it == quality);
        let row = &self.lengths[at as usize % self.lengths.len()];
        row[column.expect("one of the clip's qualities")]
    }

    /// Bits per second when every frame has this quality.
    pub(crate) fn bps(&self, quality: Quality) -> f64 {
        let frames = self.lengths.len() as u64;
        let bytes: usize = (0..frames).map(|at| self.bytes(at, quality)).sum();
        bytes as f64 * 8.0 * self.fps / frames as f64
    }
}

/// The clips that are there; prints which are not.
#[allow(clippy::print_stderr)]
pub(crate) fn clips(qualities: &[Quality]) -> Vec<Clip> {
    let options = PatternOptions {
        size: PictureSize {
            width: 640,
            height: 360,
        },
        frames: Some(FRAMES),
        ..PatternOptions::default()
    };
    let mut pattern = TestPattern::new(options, FramePool::new(4)).expect("the usual pattern");
    let mut clips = vec![Clip::measure("test pattern", &mut pattern, qualities)];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .map_or_else(Default::default, |root| root.join("../shared/media"));
    for name in ["bottle-detection.mp4", "car-detection.mp4"] {
        let Ok(file) = File::open(folder.join(name)) else {
            eprintln!("skipped {name}: it is not in {}", folder.display());
            continue;
        };
        let len_bytes = file.metadata().map_or(0, |about| about.len());
        let reader = Box::new(BufReader::new(file));
        let source = open_reader(reader, len_bytes, name, FramePool::new(4));
        let mut source = source.expect("a clip that plays");
        clips.push(Clip::measure(name, &mut *source, qualities));
    }
    clips
}
