//! What cannot be played is an error that names it and says what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::mux::{Mux, bx, encode_pattern, visual_entry};
use common::{SMALL, have, open};
use media_source::OpenError;

fn error(bytes: Vec<u8>) -> OpenError {
    open(bytes).err().unwrap()
}

fn clip() -> Mux {
    Mux::h264(&encode_pattern(SMALL, 3, 3))
}

#[test]
fn other_codecs_in_mp4_are_named_with_the_way_out() {
    for (entry, name) in [
        (b"hvc1", "H.265/HEVC (hvc1)"),
        (b"hev1", "H.265/HEVC (hev1)"),
        (b"vp09", "VP9 (vp09)"),
        (b"av01", "AV1 (av01)"),
        (b"mp4v", "MPEG-4 Visual (mp4v)"),
        (b"zzzz", "the codec (zzzz)"),
    ] {
        let mut mux = clip();
        mux.entry = visual_entry(entry, SMALL, &[]);
        let error = error(mux.write());
        let OpenError::UnsupportedCodec {
            codec,
            container,
            hint,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((codec.as_str(), container.as_str()), (name, "MP4"));
        assert!(hint.contains("ffmpeg -i"), "{hint}");
        assert!(error.to_string().starts_with("clip: "), "{error}");
    }
}

#[test]
fn other_containers_are_named() {
    let matroska = [&[0x1a, 0x45, 0xdf, 0xa3][..], b"webm....V_VP9...."].concat();
    let mut transport = vec![0; 188 * 4];
    transport
        .iter_mut()
        .step_by(188)
        .for_each(|byte| *byte = 0x47);
    for (bytes, container) in [
        (matroska, "Matroska or WebM"),
        (transport, "MPEG transport stream"),
        (b"OggS\0\x02......".to_vec(), "Ogg"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "PNG"),
        (vec![0, 0, 0, 1, 0x67, 66, 0, 30], "Annex B byte stream"),
    ] {
        let OpenError::UnsupportedCodec {
            container: named, ..
        } = error(bytes)
        else {
            panic!("{container} is not named");
        };
        assert_eq!(named, container);
    }
}

#[test]
fn avi_with_another_codec_is_named() {
    if !have("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.avi");
    let status = std::process::Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=64x64:duration=1",
            "-c:v",
            "mpeg4",
        ])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    let error = error(std::fs::read(&path).unwrap()).to_string();
    assert!(error.contains("FMP4") && error.contains("AVI"), "{error}");
}

#[test]
fn h264_that_openh264_cannot_decode_is_refused_at_once() {
    if !have("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (format, flags, obstacle) in [
        ("yuv422p", "", "4:2:2 chroma"),
        ("yuv444p", "", "4:4:4 chroma"),
        ("yuv420p10le", "", "10 bits per sample"),
        ("yuv420p", "interlaced=1", "interlaced"),
    ] {
        let path = dir.path().join(format!("{format}{flags}.mp4"));
        let status = std::process::Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=size=64x64:duration=1",
            ])
            .args(["-c:v", "libx264", "-pix_fmt", format, "-x264-params", flags])
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success());
        let error = error(std::fs::read(&path).unwrap()).to_string();
        assert!(error.contains(obstacle), "{error}");
    }
}

#[test]
fn an_mp4_without_video_says_what_it_has() {
    let mut mux = clip();
    mux.handler = *b"text";
    let error = error(mux.write());
    assert_eq!(
        error.to_string(),
        "clip: this MP4 has no video track (it has audio, subtitles); give a file with one"
    );
}

#[test]
fn nothing_and_nonsense_are_told_apart() {
    assert!(matches!(error(Vec::new()), OpenError::Empty { name } if name == "clip"));
    let nonsense = error(b"hello, world".to_vec());
    assert!(nonsense.to_string().contains("68 65 6c 6c"), "{nonsense}");
}

#[test]
fn an_mp4_that_was_cut_off_before_its_moov_says_so() {
    let mut mux = clip();
    mux.moov_first = false;
    let mut bytes = mux.write();
    bytes.truncate(bytes.len() / 2);
    let error = error(bytes).to_string();
    assert!(
        error.contains("no moov") && error.contains("cut off"),
        "{error}"
    );
}

#[test]
fn a_huge_moov_is_refused_by_its_size() {
    // A sparse reader would serve 100 MiB of it; the header alone decides.
    let mut bytes = bx(b"ftyp", &[b"isom"]);
    bytes.extend([0, 0, 0, 1]);
    bytes.extend(b"moov");
    bytes.extend((100_u64 << 20).to_be_bytes());
    let reader = Box::new(std::io::Cursor::new(bytes));
    let pool = frame_buffer::FramePool::new(1);
    let error = media_source::open_reader(reader, 1 << 30, "clip", pool)
        .err()
        .unwrap();
    assert!(
        matches!(error, OpenError::TooLarge { limit, .. } if limit == 64 << 20),
        "{error}"
    );
}
