//! MJPEG in every wrapping, and JPEG in every sampling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::avi::{avi, chunk, list};
use common::mux::{Mux, MuxSample, bx, visual_entry};
use common::{
    SMALL, assert_seamless, frames, have, jpeg, millis, numbers, open, outcomes, pattern_jpegs,
};
use frame_buffer::{ColorRange, FramePool, PictureSize};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use media_source::{DecodeError, FrameSource, PatternOptions, TestPattern, driver};

#[test]
fn avi_plays_at_its_headers_rate_and_skips_sound() {
    let jpegs = pattern_jpegs(5);
    let mut movi = Vec::new();
    for jpeg in &jpegs {
        movi.push(chunk(b"00wb", &[1, 2, 3]));
        movi.push(chunk(b"01dc", jpeg));
    }
    let mut source = open(avi(b"MJPG", (25, 2), 5, &movi)).unwrap();
    assert_eq!(source.info().frame_rate, 12.5);
    assert_eq!(source.info().frame_count, Some(5));
    assert_eq!(source.info().duration, Some(millis(400)));
    assert_eq!(source.info().size, SMALL);
    let frames = frames(&mut *source);
    assert_eq!(numbers(&frames), [0, 1, 2, 3, 4]);
    assert_eq!(frames[1].pts, millis(80));
    assert_eq!(frames[0].picture.range(), ColorRange::Full);
    assert_seamless(&frames);
}

#[test]
fn avi_goes_on_in_its_further_riffs() {
    let jpegs = pattern_jpegs(4);
    let chunks: Vec<_> = jpegs.iter().map(|j| chunk(b"01dc", j)).collect();
    let mut file = avi(b"MJPG", (30, 1), 4, &chunks[..2]);
    let records = list(b"rec ", &chunks[2..]);
    file.extend(chunk(
        b"RIFF",
        &[b"AVIX".to_vec(), list(b"movi", &[records])].concat(),
    ));
    let mut source = open(file).unwrap();
    assert_eq!(numbers(&frames(&mut *source)), [0, 1, 2, 3]);
}

#[test]
fn an_empty_avi_chunk_shows_the_frame_before_again() {
    let jpegs = pattern_jpegs(2);
    let movi = [
        chunk(b"01dc", &jpegs[0]),
        chunk(b"01dc", &[]),
        chunk(b"01dc", &jpegs[1]),
    ];
    let mut source = open(avi(b"MJPG", (10, 1), 3, &movi)).unwrap();
    let frames = frames(&mut *source);
    assert_eq!(numbers(&frames), [0, 0, 1]);
    assert!(
        frames[1].picture.ptr_eq(&frames[0].picture),
        "shared, not copied"
    );
    assert_eq!(frames[2].pts, millis(200));
}

#[test]
fn a_damaged_jpeg_costs_its_frame() {
    let mut jpegs = pattern_jpegs(3);
    let half = jpegs[1].len() / 2;
    jpegs[1].truncate(half);
    let movi: Vec<_> = jpegs.iter().map(|j| chunk(b"01dc", j)).collect();
    let mut source = open(avi(b"MJPG", (10, 1), 3, &movi)).unwrap();
    let outcomes = outcomes(&mut *source);
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let Err(DecodeError::Frame { index, pts, .. }) = &outcomes[1] else {
        panic!("{:?}", outcomes[1]);
    };
    assert_eq!((index.0, *pts), (1, millis(100)));
    assert_eq!(outcomes[2].as_ref().unwrap().id.0, 2);
}

#[test]
fn mjpeg_in_mp4_plays() {
    let jpegs = pattern_jpegs(4);
    // An esds whose objectTypeIndication is JPEG.
    let esds = [
        0, 0, 0, 0, 3, 0x80, 0x80, 0x19, 0, 1, 0, 4, 0x11, 0x6c, 0x11, 0, 0, 0,
    ];
    for entry in [
        visual_entry(b"jpeg", SMALL, &[]),
        visual_entry(b"mjpa", SMALL, &[]),
        visual_entry(b"mp4v", SMALL, &bx(b"esds", &[&esds])),
    ] {
        let samples = jpegs.iter().map(|jpeg| MuxSample {
            data: jpeg.clone(),
            duration: 40,
            shift: 0,
        });
        let mux = Mux {
            size: SMALL,
            timescale: 1000,
            entry,
            samples: samples.collect(),
            sync: None,
            edit: None,
            moov_first: true,
            per_fragment: 0,
            handler: *b"vide",
        };
        let mut source = open(mux.write()).unwrap();
        assert_eq!(
            (source.info().codec.as_str(), source.info().frame_rate),
            ("MJPEG", 25.0)
        );
        let frames = frames(&mut *source);
        assert_eq!(numbers(&frames), [0, 1, 2, 3]);
        assert_eq!(frames[3].pts, millis(120));
        assert_seamless(&frames);
    }
}

#[test]
fn multipart_plays_with_and_without_lengths() {
    let jpegs = pattern_jpegs(3);
    for with_lengths in [true, false] {
        for response in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n",
        ] {
            let mut dump = response.as_bytes().to_vec();
            for jpeg in &jpegs {
                dump.extend(b"--frame\r\nContent-Type: image/jpeg\r\n");
                if with_lengths {
                    dump.extend(format!("Content-Length: {}\r\n", jpeg.len()).into_bytes());
                }
                dump.extend(b"\r\n");
                dump.extend(jpeg);
                dump.extend(b"\r\n");
            }
            dump.extend(b"--frame--\r\n");
            let mut source = open(dump).unwrap();
            assert_eq!(source.info().container, "multipart");
            for _pass in 0..2 {
                let frames = frames(&mut *source);
                assert_eq!(numbers(&frames), [0, 1, 2]);
                assert_eq!(frames[2].pts, millis(80), "25 fps");
                source.rewind().unwrap();
            }
        }
    }
}

#[test]
fn a_dump_that_stops_in_a_part_delivers_the_parts_before() {
    let jpegs = pattern_jpegs(2);
    let mut dump = Vec::new();
    for jpeg in &jpegs {
        dump.extend(b"--b\r\nContent-Type: image/jpeg\r\n\r\n");
        dump.extend(jpeg);
        dump.extend(b"\r\n");
    }
    dump.truncate(dump.len() - 100);
    let outcomes = outcomes(&mut *open(dump).unwrap());
    assert!(outcomes[0].is_ok());
    assert!(matches!(outcomes[1], Err(DecodeError::Truncated { index, .. }) if index.0 == 1));
}

#[test]
fn one_jpeg_is_a_video_of_one_frame_and_several_are_of_several() {
    let jpegs = pattern_jpegs(3);
    let mut source = open(jpegs[2].clone()).unwrap();
    let single = frames(&mut *source);
    assert_eq!(numbers(&single), [2]);
    assert_eq!(single[0].duration, millis(40));
    let padded: Vec<u8> = jpegs
        .iter()
        .flat_map(|j| [j.as_slice(), &[0; 37]].concat())
        .collect();
    let mut source = open(padded).unwrap();
    assert_eq!(numbers(&frames(&mut *source)), [0, 1, 2]);
}

#[test]
fn a_folder_plays_in_natural_order_at_the_rate_given() {
    let dir = tempfile::tempdir().unwrap();
    for (i, jpeg) in pattern_jpegs(12).iter().enumerate() {
        std::fs::write(dir.path().join(format!("frame{i}.JPG")), jpeg).unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), "not a frame").unwrap();
    let mut source = driver::open_folder(dir.path(), 50.0, FramePool::new(4)).unwrap();
    assert_eq!(source.info().frame_count, Some(12));
    let frames = frames(&mut *source);
    assert_eq!(numbers(&frames), (0..12).collect::<Vec<_>>());
    assert_eq!(frames[1].pts, millis(20));
    assert_seamless(&frames);
}

/// A smooth colour gradient, in which resampled chroma can be predicted.
fn gradient(width: usize, height: usize) -> Vec<u8> {
    let pixel = |x: usize, y: usize| {
        let share = |n: usize, of: usize| (n * 200 / of + 20) as u8;
        [
            share(x, width),
            share(y, height),
            share(x + y, width + height),
        ]
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    rows.flat_map(|(x, y)| pixel(x, y)).collect()
}

/// Rows of R, G and B as a JPEG of that chroma sampling; `None`: grey.
fn compress(
    pixels: &[u8],
    (width, height): (usize, usize),
    sampling: Option<SamplingFactor>,
) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 98);
    let mut ycc = ycc(pixels);
    let (columns, rows) = (width as u16, height as u16);
    match sampling {
        Some(sampling) => {
            // The encoder takes the first sample of each cell: here that is the cell's mean, as cameras have it.
            average_chroma(&mut ycc, (width, height), cell(sampling));
            encoder.set_sampling_factor(sampling);
            let samples = ycc.as_flattened();
            encoder.encode(samples, columns, rows, ColorType::Ycbcr)
        }
        None => {
            let grey: Vec<u8> = ycc.iter().map(|[y, _, _]| *y).collect();
            encoder.encode(&grey, columns, rows, ColorType::Luma)
        }
    }
    .unwrap();
    jpeg
}

/// ITU-T T.871 §7.
fn ycc(pixels: &[u8]) -> Vec<[u8; 3]> {
    let (pixels, _) = pixels.as_chunks::<3>();
    let convert = |rgb: &[u8; 3]| {
        let [r, g, b] = rgb.map(f64::from);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        [y, 128.0 + (b - y) / 1.772, 128.0 + (r - y) / 1.402].map(|sample| sample.round() as u8)
    };
    pixels.iter().map(convert).collect()
}

/// Pixels across and down that share a chroma sample.
fn cell(sampling: SamplingFactor) -> (usize, usize) {
    match sampling {
        SamplingFactor::R_4_2_2 => (2, 1),
        SamplingFactor::R_4_4_0 => (1, 2),
        SamplingFactor::R_4_2_0 => (2, 2),
        SamplingFactor::R_4_1_1 => (4, 1),
        SamplingFactor::R_4_4_1 => (1, 4),
        SamplingFactor::R_4_4_4 => (1, 1),
        other => panic!("{other:?} is not tested here"),
    }
}

fn average_chroma(ycc: &mut [[u8; 3]], (width, height): (usize, usize), cell: (usize, usize)) {
    for (top, left) in (0..height)
        .step_by(cell.1)
        .flat_map(|y| (0..width).step_by(cell.0).map(move |x| (y, x)))
    {
        let rows = top..(top + cell.1).min(height);
        let within: Vec<usize> = rows
            .flat_map(|y| (left..(left + cell.0).min(width)).map(move |x| y * width + x))
            .collect();
        for component in [1, 2] {
            let sum: usize = within
                .iter()
                .map(|&at| usize::from(ycc[at][component]))
                .sum();
            let mean = (sum + within.len() / 2) / within.len();
            within
                .iter()
                .for_each(|&at| ycc[at][component] = mean as u8);
        }
    }
}

#[test]
fn every_sampling_becomes_the_same_picture() {
    for (width, height) in [(64, 48), (63, 47), (17, 33)] {
        let pixels = gradient(width, height);
        let decoded = |subsamp: Option<SamplingFactor>| {
            let mut source = open(compress(&pixels, (width, height), subsamp)).unwrap();
            let frame = source.next_frame().unwrap().unwrap();
            let size = PictureSize {
                width: width as u32,
                height: height as u32,
            };
            assert_eq!(frame.picture.size(), size);
            common::packed(&frame.picture)
        };
        let reference = decoded(Some(SamplingFactor::R_4_2_0));
        for subsamp in [
            SamplingFactor::R_4_4_4,
            SamplingFactor::R_4_2_2,
            SamplingFactor::R_4_4_0,
            SamplingFactor::R_4_1_1,
            SamplingFactor::R_4_4_1,
        ] {
            let picture = decoded(Some(subsamp));
            let worst = reference
                .iter()
                .zip(&picture)
                .map(|(a, b)| a.abs_diff(*b))
                .max()
                .unwrap();
            // Most in the narrowest (8): four pixels share a chroma sample over a quarter of the gradient.
            assert!(worst <= 12, "{subsamp:?} {width}x{height}: off by {worst}");
        }
        let grey = decoded(None);
        let luma = width * height;
        let worst = reference[..luma]
            .iter()
            .zip(&grey)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        assert!(worst <= 12, "grey {width}x{height}: off by {worst}");
        assert!(grey[luma..].iter().all(|chroma| *chroma == 128));
    }
}

#[test]
fn an_rgb_jpeg_is_converted() {
    if !have("ffmpeg") {
        return;
    }
    // A JPEG whose components are R, G and B: an Adobe marker with transform 0.
    let pixels = gradient(64, 48);
    let ycc = compress(&pixels, (64, 48), Some(SamplingFactor::R_4_4_4));
    let reference = common::packed(&open(ycc).unwrap().next_frame().unwrap().unwrap().picture);
    let rgb = relabel_as_rgb(&pixels, 64, 48);
    let frame = open(rgb).unwrap().next_frame().unwrap().unwrap();
    let converted = common::packed(&frame.picture);
    let worst = reference
        .iter()
        .zip(&converted)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap();
    assert!(worst <= 12, "off by {worst}");
}

/// Codes R, G and B as the three components of a 4:4:4 JPEG, and says so in an Adobe marker.
fn relabel_as_rgb(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 98);
    encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    // Taken as they are: what is meant by them is said by the marker.
    let (width, height) = (width as u16, height as u16);
    encoder
        .encode(pixels, width, height, ColorType::Ycbcr)
        .unwrap();
    let jfif_end = 4 + usize::from(u16::from_be_bytes([jpeg[4], jpeg[5]])) - 2 + 2;
    let adobe = [
        0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, 0,
    ];
    [&jpeg[..2], &adobe, &jpeg[jfif_end..]].concat()
}

#[test]
fn a_header_that_declares_a_huge_picture_is_refused_before_memory_is_taken() {
    let jpeg = pattern_jpegs(1).remove(0);
    let sof = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    // The most that a header can say, the most that libjpeg-turbo takes, and just too much.
    for (height, width, reason) in [
        (65_535_u16, 65_535_u16, "65535x65535 is beyond the limit"),
        (65_500, 65_500, "65500x65500 is beyond the limit"),
        (4096, 8193, "8193x4096 is beyond the limit"),
    ] {
        let mut huge = jpeg.clone();
        huge[sof + 5..sof + 7].copy_from_slice(&height.to_be_bytes());
        huge[sof + 7..sof + 9].copy_from_slice(&width.to_be_bytes());
        let error = open(huge).err().unwrap().to_string();
        assert!(
            error.starts_with("clip: broken JPEG") && error.contains(reason),
            "{error}"
        );
    }
    let header_alone = [
        0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3, 1, 0x22, 0, 2, 0x11,
    ];
    assert!(open(header_alone.to_vec()).is_err());
}

#[test]
fn odd_sizes_come_through() {
    let size = PictureSize {
        width: 161,
        height: 91,
    };
    let options = PatternOptions {
        size,
        frames: Some(1),
        ..Default::default()
    };
    let mut pattern = TestPattern::new(options, FramePool::new(1)).unwrap();
    let frame = pattern.next_frame().unwrap().unwrap();
    let mut source = open(jpeg(&frame.picture, 95)).unwrap();
    let decoded = source.next_frame().unwrap().unwrap().picture;
    assert_eq!(decoded.size(), size);
    assert_eq!(decoded.u().len() / decoded.c_stride(), 46);
    assert_eq!(common::number(&decoded), 0);
    assert_eq!(
        source.info().duration.unwrap_or(Duration::ZERO),
        Duration::ZERO
    );
}

/// AVI, MOV and raw MJPEG as ffmpeg writes them, against its own decode.
#[test]
fn ffmpegs_mjpeg_equals_its_own_decode() {
    if !have("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for extension in ["avi", "mov", "mp4", "mjpeg"] {
        // Beside sound, ffmpeg's AVI writer fills gaps with empty chunks, which we show as repeats.
        let silent = matches!(extension, "mjpeg" | "avi");
        let path = dir.path().join(format!("clip.{extension}"));
        let status = std::process::Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=size=320x180:rate=25:duration=2",
            ])
            .args(["-f", "lavfi", "-i", "sine=duration=2", "-map", "0"])
            .args(if silent { &[][..] } else { &["-map", "1"] })
            .args(["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success());
        let mut source = open(std::fs::read(&path).unwrap()).unwrap();
        let frames = frames(&mut *source);
        assert_eq!(frames.len(), 50, "{extension}");
        assert_eq!(frames[25].pts, Duration::from_secs(1));
        let expected = common::ffmpeg_i420(&path, "yuvj420p");
        let ours: Vec<u8> = frames
            .iter()
            .flat_map(|f| common::packed(&f.picture))
            .collect();
        assert_eq!(ours.len(), expected.len());
        // Two decoders' inverse transforms differ by a rounding.
        let psnr = common::psnr(&ours, &expected);
        assert!(psnr > 45.0, "{extension}: {psnr:.1} dB");
    }
}
