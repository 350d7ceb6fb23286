//! What several tests share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests; each file uses its part"
)]

pub(crate) mod avi;
pub(crate) mod mux;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use frame_buffer::{FramePool, Picture, PictureSize, VideoFrame};
use media_source::{DecodeError, FrameSource, OpenError, open_reader};

pub(crate) const SMALL: PictureSize = PictureSize {
    width: 160,
    height: 96,
};

pub(crate) fn open(bytes: Vec<u8>) -> Result<Box<dyn FrameSource>, OpenError> {
    let len = bytes.len() as u64;
    open_reader(Box::new(Cursor::new(bytes)), len, "clip", FramePool::new(4))
}

/// Every frame; an error ends the test.
pub(crate) fn frames(source: &mut dyn FrameSource) -> Vec<VideoFrame> {
    std::iter::from_fn(|| source.next_frame().unwrap()).collect()
}

/// Frames and errors as they come, until the end or a fatal error. Bounded, since an end must come.
pub(crate) fn outcomes(source: &mut dyn FrameSource) -> Vec<Result<VideoFrame, DecodeError>> {
    let mut outcomes = Vec::new();
    for _ in 0..10_000 {
        match source.next_frame() {
            Ok(None) => return outcomes,
            Ok(Some(frame)) => outcomes.push(Ok(frame)),
            Err(error) => {
                let fatal = !error.is_recoverable();
                outcomes.push(Err(error));
                if fatal {
                    assert!(
                        source.next_frame().unwrap().is_none(),
                        "a fatal error is the end"
                    );
                    return outcomes;
                }
            }
        }
    }
    panic!("the source does not end");
}

/// The number in a frame's strip.
pub(crate) fn number(picture: &Picture) -> u32 {
    let size = picture.size();
    testkit::read_frame_number_luma(picture.y(), picture.y_stride(), size.width, size.height)
        .unwrap()
}

pub(crate) fn numbers(frames: &[VideoFrame]) -> Vec<u32> {
    frames.iter().map(|f| number(&f.picture)).collect()
}

/// Ids rise by one, pts strictly, and each frame ends where the next one starts.
pub(crate) fn assert_seamless(frames: &[VideoFrame]) {
    for pair in frames.windows(2) {
        assert_eq!(pair[1].id.0, pair[0].id.0 + 1);
        assert!(pair[1].pts > pair[0].pts);
        assert_eq!(pair[1].pts, pair[0].pts + pair[0].duration);
    }
}

/// A picture as a 4:2:0 JPEG.
pub(crate) fn jpeg(picture: &Picture, quality: u8) -> Vec<u8> {
    let quality = jpeg_optimizer::Quality::new(quality).unwrap();
    let encoder = jpeg_optimizer::JpegEncoder::new();
    encoder.encode(picture, quality).unwrap().to_vec()
}

/// The pattern's first frames as JPEGs.
pub(crate) fn pattern_jpegs(count: u64) -> Vec<Vec<u8>> {
    let options = media_source::PatternOptions {
        size: SMALL,
        frames: Some(count),
        ..Default::default()
    };
    let mut pattern = media_source::TestPattern::new(options, FramePool::new(2)).unwrap();
    let mut jpegs = Vec::new();
    while let Some(frame) = pattern.next_frame().unwrap() {
        jpegs.push(jpeg(&frame.picture, 80));
    }
    jpegs
}

pub(crate) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A clip handed to every developer; `None` (and a reason on stderr) where it is absent.
pub(crate) fn shared_clip(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("../shared/media").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
}

/// Whether a tool can be run; says so on stderr when it cannot.
pub(crate) fn have(tool: &str) -> bool {
    let found = Command::new(tool).arg("-version").output().is_ok();
    if !found {
        eprintln!("skipped: {tool} is not on PATH");
    }
    found
}

/// ffmpeg's decode of a file: I420 frames without padding, one behind another. The pixel format tells the
/// range: `yuv420p` limited, `yuvj420p` full.
pub(crate) fn ffmpeg_i420(path: &Path, pixel_format: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args([
            "-map",
            "0:v:0",
            "-fps_mode",
            "passthrough",
            "-f",
            "rawvideo",
        ])
        .args(["-pix_fmt", pixel_format, "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A picture's planes without padding.
pub(crate) fn packed(picture: &Picture) -> Vec<u8> {
    use frame_buffer::Plane;
    let planes = Plane::ALL.into_iter().map(|plane| picture.plane(plane));
    planes
        .flat_map(|p| p.rows().flatten().copied().collect::<Vec<_>>())
        .collect()
}

/// Peak signal-to-noise ratio in dB; infinite for equal bytes.
pub(crate) fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    let squares: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares).log10()
}

/// Asserts that a source's frames are ffmpeg's, one for one, each at least `min_psnr` dB like it; returns
/// how many there are.
///
/// openh264 is not bit-exact in B-frames with spatial direct prediction (38 dB at the worst); in every other frame it is.
pub(crate) fn assert_equals_ffmpeg(
    source: &mut dyn FrameSource,
    path: &Path,
    min_psnr: f64,
) -> usize {
    let expected = ffmpeg_i420(path, "yuv420p");
    let size = source.info().size;
    let frame_bytes =
        (size.width * size.height + 2 * size.chroma_width() * size.chroma_height()) as usize;
    let mut count = 0;
    for expected in expected.chunks(frame_bytes) {
        let frame = source
            .next_frame()
            .unwrap()
            .expect("as many frames as ffmpeg");
        let psnr = psnr(&packed(&frame.picture), expected);
        assert!(
            psnr >= min_psnr,
            "{}: frame {count} has {psnr:.1} dB",
            path.display()
        );
        count += 1;
    }
    assert!(
        source.next_frame().unwrap().is_none(),
        "more frames than ffmpeg"
    );
    count
}

/// Presentation times by ffprobe, in seconds.
pub(crate) fn ffprobe_times(path: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries"])
        .args(["frame=pts_time", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(','));
    lines
        .filter(|l| !l.is_empty())
        .map(|l| l.parse().unwrap())
        .collect()
}

/// Four seconds at 29.97 frames a second, by ffmpeg's libx264.
pub(crate) fn encode_with_x264(
    size: &str,
    x264_params: &str,
    movflags: &str,
    path: &std::path::Path,
) {
    let status = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size={size}:rate=30000/1001:duration=4"))
        .args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "fast"])
        .args(["-x264-params", x264_params, "-movflags", movflags])
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success());
}
