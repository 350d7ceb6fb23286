//! Whatever time a source is sent to, what it shows then is what playing the video through shows at that time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use common::avi::{avi, chunk};
use common::mux::{Clip, Mux, MuxSample, avc_entry, encode_pattern, length_prefixed, visual_entry};
use common::{SMALL, have, millis, numbers, open, packed, pattern_jpegs, shared_clip};
use frame_buffer::{FramePool, VideoFrame};
use media_source::{
    DecodeError, FrameSource, Looped, PatternOptions, TestPattern, driver, open_reader,
};
use proptest::prelude::*;

/// A frame, as far as a viewer can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    id: u64,
    pts: Duration,
    end: Duration,
    picture: u64,
}

impl Shown {
    fn of(frame: &VideoFrame) -> Self {
        let mut hasher = DefaultHasher::new();
        packed(&frame.picture).hash(&mut hasher);
        Self {
            id: frame.id.0,
            pts: frame.pts,
            end: frame.pts + frame.duration,
            picture: hasher.finish(),
        }
    }
}

/// The video played through, and the source at its start again.
fn played(source: &mut dyn FrameSource) -> Vec<Shown> {
    let frames = std::iter::from_fn(|| source.next_frame().unwrap());
    let shown = frames.map(|frame| Shown::of(&frame)).collect();
    source.rewind().unwrap();
    shown
}

/// Seeks, checks the frame shown and up to `following` after it; returns how many were decoded on the way there.
fn check_seek(
    source: &mut dyn FrameSource,
    all: &[Shown],
    to: Duration,
    following: usize,
) -> usize {
    source.seek(to).unwrap();
    let first = all.iter().position(|frame| frame.end > to);
    let mut passed_over = 0;
    let shown = loop {
        match source.next_frame().unwrap().map(|frame| Shown::of(&frame)) {
            Some(frame) if frame.end <= to => {
                assert_eq!(frame, all[frame.id as usize], "on the way to {to:?}");
                passed_over += 1;
            }
            other => break other,
        }
    };
    assert_eq!(shown.as_ref(), first.map(|at| &all[at]), "shown at {to:?}");
    for expected in all
        .iter()
        .skip(first.map_or(all.len(), |at| at + 1))
        .take(following)
    {
        let frame = source.next_frame().unwrap().unwrap();
        assert_eq!(&Shown::of(&frame), expected, "after {to:?}");
    }
    passed_over
}

/// Times within the video and around it, spread evenly but for their fractions.
fn times_over(all: &[Shown], count: u32) -> impl Iterator<Item = Duration> {
    let end = all.last().unwrap().end;
    (0..=count + 1).map(move |i| end * i / count + Duration::from_nanos(u64::from(i) * 7_919))
}

const GROUP: usize = 8;
static CLIP: LazyLock<Clip> = LazyLock::new(|| encode_pattern(SMALL, 48, GROUP as u32));

/// The clip as a container may hold it.
#[derive(Debug, Clone)]
struct Variant {
    /// Frames shown in another order than they are decoded in, in blocks of this many.
    block: usize,
    order: Vec<usize>,
    /// Whether the sync samples are listed.
    listed: bool,
    /// Frames hidden by the edit list.
    hidden: Option<usize>,
    fragments: bool,
}

impl Variant {
    /// With blocks of twelve the groups of eight are open ones.
    fn any() -> impl Strategy<Value = Self> {
        let block = prop_oneof![Just(1_usize), Just(4), Just(8), Just(12)];
        block.prop_flat_map(|block| {
            let order = Just((0..block).collect::<Vec<_>>()).prop_shuffle();
            let hidden = proptest::option::of(0..20_usize);
            (order, any::<bool>(), hidden, any::<bool>()).prop_map(
                move |(order, listed, hidden, fragments)| Self {
                    block,
                    order,
                    listed,
                    hidden,
                    fragments,
                },
            )
        })
    }

    fn write(&self) -> Vec<u8> {
        let mut mux = Mux::h264(&CLIP);
        for (at, sample) in mux.samples.iter_mut().enumerate() {
            let place = at % self.block;
            let shift = self.order[place] + self.block - place;
            sample.shift = shift as i32 * 1000;
        }
        if self.listed {
            mux.sync = Some((1..=48).step_by(GROUP).collect());
        }
        let delay = self.block * 1000;
        mux.edit = self.hidden.map(|hidden| (delay + hidden * 1000) as i32);
        if self.fragments {
            mux.per_fragment = self.block * 2;
        }
        mux.write()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_shown_after_a_seek_is_what_plain_playing_shows(
        variant in Variant::any(),
        parts in proptest::collection::vec(0.0_f64..1.1, 1..8),
    ) {
        let bytes = variant.write();
        let all = played(&mut *open(bytes.clone()).unwrap());
        // Two sources: of one nothing is known but its start, and the other knows all that came before.
        let mut source = open(bytes.clone()).unwrap();
        for part in parts {
            let to = all.last().unwrap().end.mul_f64(part);
            check_seek(&mut *open(bytes.clone()).unwrap(), &all, to, 20);
            check_seek(&mut *source, &all, to, 3);
        }
        source.rewind().unwrap();
        prop_assert_eq!(played(&mut *source), all);
    }
}

#[test]
fn decoding_goes_on_from_the_keyframe_before() {
    let mut mux = Mux::h264(&CLIP);
    mux.sync = Some((1..=48).step_by(GROUP).collect());
    for (per_fragment, listed) in [(0, true), (0, false), (12, false)] {
        mux.per_fragment = per_fragment;
        mux.sync = mux.sync.filter(|_| listed);
        let mut source = open(mux.write()).unwrap();
        let all = played(&mut *source);
        for (at, frame) in all.iter().enumerate().rev() {
            let passed_over = check_seek(&mut *source, &all, frame.pts, 0);
            assert_eq!(passed_over, at % GROUP, "frame {at}");
        }
    }
}

#[test]
fn a_keyframe_without_its_parameter_sets_is_not_started_at() {
    let mut mux = Mux::h264(&CLIP);
    mux.entry = avc_entry(b"avc3", &CLIP, 4, false);
    let sets = length_prefixed(&[CLIP.sps.clone(), CLIP.pps.clone()], 4);
    for keyframe in [0, 2 * GROUP] {
        mux.samples[keyframe].data.splice(0..0, sets.clone());
    }
    let mut source = open(mux.write()).unwrap();
    let all = played(&mut *source);
    assert_eq!(check_seek(&mut *source, &all, all[GROUP].pts, 1), GROUP);
    assert_eq!(check_seek(&mut *source, &all, all[2 * GROUP].pts, 1), 0);
    assert_eq!(check_seek(&mut *source, &all, all[3 * GROUP].pts, 1), GROUP);
}

#[test]
fn a_seek_beyond_the_end_goes_to_the_last_keyframe() {
    let mut source = open(Mux::h264(&CLIP).write()).unwrap();
    source.seek(Duration::MAX).unwrap();
    let rest = common::frames(&mut *source);
    assert_eq!(numbers(&rest), (40..48).collect::<Vec<_>>());
}

#[test]
fn a_broken_fragment_is_said_and_what_comes_before_it_still_plays() {
    let mut mux = Mux::h264(&CLIP);
    mux.per_fragment = 12;
    let mut bytes = mux.write();
    let third = bytes.windows(4).enumerate().filter(|(_, w)| *w == b"moof");
    let (at, _) = third.clone().nth(2).unwrap();
    // A box within it that is longer than it.
    bytes[at + 4] = 0xff;
    let mut source = open(bytes).unwrap();
    source.next_frame().unwrap();
    for _ in 0..2 {
        let error = source.seek(millis(1500)).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
    }
    assert_eq!(
        source.next_frame().unwrap().unwrap().id.0,
        1,
        "it goes on where it was"
    );
    source.seek(millis(500)).unwrap();
    let outcomes = common::outcomes(&mut *source);
    let ids: Vec<_> = outcomes.iter().flatten().map(|frame| frame.id.0).collect();
    assert_eq!(ids, (8..24).collect::<Vec<_>>());
    assert!(
        outcomes.last().unwrap().is_err(),
        "the fault is not passed over in silence"
    );
}

#[test]
fn a_seek_past_the_cut_of_a_file_says_that_it_is_cut() {
    let mut bytes = Mux::h264(&CLIP).write();
    bytes.truncate(bytes.len() * 2 / 3);
    let mut source = open(bytes).unwrap();
    let error = source.seek(millis(1590)).unwrap_err();
    assert!(matches!(error, DecodeError::Truncated { .. }), "{error}");
    assert_eq!(source.next_frame().unwrap().unwrap().id.0, 0);
}

#[test]
fn every_frame_of_motion_jpeg_is_a_place_to_start() {
    let jpegs = pattern_jpegs(12);
    let samples = jpegs.iter().map(|jpeg| MuxSample {
        data: jpeg.clone(),
        duration: 1000,
        shift: 0,
    });
    let mut mux = Mux {
        entry: visual_entry(b"jpeg", SMALL, &[]),
        samples: samples.collect(),
        ..Mux::h264(&CLIP)
    };
    let whole = mux.write();
    mux.per_fragment = 5;
    let chunks: Vec<_> = jpegs.iter().map(|jpeg| chunk(b"01dc", jpeg)).collect();
    for bytes in [whole, mux.write(), avi(b"MJPG", (30, 1), 12, &chunks)] {
        let mut source = open(bytes).unwrap();
        let all = played(&mut *source);
        for frame in all.iter().rev().chain(&all) {
            assert_eq!(check_seek(&mut *source, &all, frame.pts, 2), 0);
        }
        source.seek(Duration::MAX).unwrap();
        assert_eq!(source.next_frame().unwrap().unwrap().id.0, 11);
    }
}

#[test]
fn a_repeated_frame_of_an_avi_is_reached_by_the_one_it_repeats() {
    let jpegs = pattern_jpegs(2);
    let data = [&jpegs[0], &Vec::new(), &Vec::new(), &jpegs[1]];
    let movi = data.map(|data| chunk(b"01dc", data));
    let mut source = open(avi(b"MJPG", (10, 1), 4, &movi)).unwrap();
    let all = played(&mut *source);
    assert_eq!(check_seek(&mut *source, &all, millis(250), 1), 2);
    assert_eq!(check_seek(&mut *source, &all, millis(300), 0), 0);
}

#[test]
fn jpegs_one_behind_another_are_gone_through_from_the_start() {
    let mut source = open(pattern_jpegs(6).concat()).unwrap();
    let all = played(&mut *source);
    assert_eq!(check_seek(&mut *source, &all, millis(130), 2), 3);
}

#[test]
fn a_folder_and_the_pattern_go_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    for (at, jpeg) in pattern_jpegs(6).iter().enumerate() {
        std::fs::write(dir.path().join(format!("f{at}.jpg")), jpeg).unwrap();
    }
    let folder = driver::open_folder(dir.path(), 10.0, FramePool::new(2)).unwrap();
    let options = PatternOptions {
        size: SMALL,
        frames: Some(6),
        ..PatternOptions::default()
    };
    let pattern = TestPattern::new(options, FramePool::new(2)).unwrap();
    for mut source in [folder, Box::new(pattern)] {
        let all = played(&mut *source);
        for to in times_over(&all, 23) {
            let beyond = to >= all[5].end;
            let passed_over = check_seek(&mut *source, &all, to, 2);
            assert_eq!(passed_over, usize::from(beyond));
        }
    }
}

#[test]
fn a_loop_is_gone_about_in_within_its_pass() {
    let mut looped = Looped::new(open(Mux::h264(&CLIP).write()).unwrap());
    let first_two = |looped: &mut Looped<_>| -> Vec<Shown> {
        let frames = (0..96).map(|_| looped.next_frame().unwrap().unwrap());
        frames.map(|frame| Shown::of(&frame)).collect()
    };
    let all = first_two(&mut looped);
    // The second pass is the present one.
    check_seek(&mut looped, &all, all[60].pts, 10);
    check_seek(&mut looped, &all, all[90].pts, 5);
    assert_eq!(looped.next_frame().unwrap().unwrap().id.0, 96, "no seam");
    // The third pass begins now: what was before it is out of reach.
    looped.seek(Duration::ZERO).unwrap();
    let frame = looped.next_frame().unwrap().unwrap();
    assert_eq!((frame.id.0, frame.pts), (96, all[95].end));
}

fn open_file(path: &Path) -> Box<dyn FrameSource> {
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len();
    open_reader(Box::new(file), len, "clip", FramePool::new(4)).unwrap()
}

/// Seeks over a whole file, forwards and backwards.
fn check_file(path: &Path, seeks: u32) {
    let mut source = open_file(path);
    let all = played(&mut *source);
    let times: Vec<_> = times_over(&all, seeks).collect();
    for to in times.iter().chain(times.iter().rev().step_by(3)) {
        check_seek(&mut *source, &all, *to, 2);
    }
}

#[test]
fn the_shared_clips_show_the_same_after_a_seek() {
    for name in ["car-detection.mp4", "bottle-detection.mp4"] {
        if let Some(path) = shared_clip(name) {
            check_file(&path, 5);
        }
    }
}

/// x264's ways of reordering, whole and in fragments, its open groups too.
#[test]
fn reordered_streams_show_the_same_after_a_seek() {
    if !have("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("b3", "bframes=3:b-adapt=0:keyint=30"),
        (
            "pyramid",
            "bframes=7:b-pyramid=normal:b-adapt=0:keyint=25:ref=4",
        ),
        ("open", "bframes=5:b-pyramid=strict:open-gop=1:keyint=20"),
        ("intra", "keyint=1"),
    ] {
        for (container, flags) in [
            ("whole", "+faststart"),
            ("fragments", "+frag_keyframe+empty_moov"),
        ] {
            let path = dir.path().join(format!("{name}-{container}.mp4"));
            common::encode_with_x264("162x98", options, flags, &path);
            check_file(&path, 17);
        }
    }
}
