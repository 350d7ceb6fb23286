//! A film whose index stands at its end is read as one with the index in front: the same boxes, each offset at the same
//! bytes as before; what is no such film is left alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::mp4::{mp4_box, offsets, track, wide_box, wide_head};
use progressive_loader::ByteSource;
use progressive_loader::driver::{FaststartSource, FileSource, faststart_layout};
use progressive_loader::faststart::{AsIs, Layout, Piece, Scan, Step};
use proptest::prelude::*;

fn scan(size_bytes: u64, mut read: impl FnMut(Range<u64>) -> Vec<u8>) -> Result<Layout, AsIs> {
    let mut scan = Scan::new(size_bytes);
    let mut step = scan.step();
    loop {
        match step {
            Step::Read(range) => step = scan.take(&read(range)),
            Step::Done(outcome) => return outcome,
        }
    }
}

fn layout(file: &[u8]) -> Result<Layout, AsIs> {
    scan(file.len() as u64, |range| {
        file[range.start as usize..range.end as usize].to_vec()
    })
}

fn bytes(file: &[u8], layout: &Layout, range: Range<u64>) -> Vec<u8> {
    let piece = |piece| match piece {
        Piece::Here(bytes) => bytes.to_vec(),
        Piece::Source(range) => file[range.start as usize..range.end as usize].to_vec(),
    };
    layout.pieces(&range).into_iter().flat_map(piece).collect()
}

/// A film: boxes before the media, one or two media boxes around the index, boxes after it.
#[derive(Debug, Clone)]
struct Film {
    before: Vec<u8>,
    media: Vec<u8>,
    more_media: Vec<u8>,
    tail: Vec<u8>,
    /// Of each track whether its table has 64 bits, and its chunks as parts of all media.
    tracks: Vec<(bool, Vec<f64>)>,
    wide_sizes: bool,
}

impl Film {
    /// How many bytes of media follow from `offset` in the box that it points into.
    fn rest_of_media(&self, file: &[u8], offset: usize) -> usize {
        let more_end = file.len() - 8 - self.tail.len();
        let more_start = more_end - self.more_media.len();
        if offset >= more_start {
            return more_end - offset;
        }
        let head = if self.wide_sizes { 16 } else { 8 };
        16 + 8 + self.before.len() + head + self.media.len() - offset
    }

    /// The file; the index's offsets are right.
    fn file(&self) -> Vec<u8> {
        let boxed = |kind: &[u8; 4], content: &[u8]| match self.wide_sizes {
            true => wide_box(kind, content),
            false => mp4_box(kind, content),
        };
        let head = if self.wide_sizes { 16 } else { 8 };
        let first = [
            mp4_box(b"ftyp", b"isom\0\0\0\0"),
            mp4_box(b"free", &self.before),
        ]
        .concat();
        let media_at = first.len() + head;
        let index = |more_media_at: usize| {
            let place = |&part: &f64| {
                let all = self.media.len() + self.more_media.len();
                let at = (part * all as f64) as usize;
                match at.checked_sub(self.media.len()) {
                    None => (media_at + at) as u64,
                    Some(at) => (more_media_at + at) as u64,
                }
            };
            let tracks = self.tracks.iter().flat_map(|(wide, chunks)| {
                track(&chunks.iter().map(place).collect::<Vec<_>>(), *wide)
            });
            let tracks: Vec<u8> = tracks.collect();
            let udta = mp4_box(b"udta", &[mp4_box(b"name", b"x"), vec![0; 4]].concat());
            boxed(
                b"moov",
                &[mp4_box(b"mvhd", &[9; 100]), tracks, udta].concat(),
            )
        };
        let more_media_at = media_at + self.media.len() + index(0).len() + head;
        let media = boxed(b"mdat", &self.media);
        let more = boxed(b"mdat", &self.more_media);
        let tail = mp4_box(b"skip", &self.tail);
        [first, media, index(more_media_at), more, tail].concat()
    }
}

fn films() -> impl Strategy<Value = Film> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 1..most);
    let chunks = prop::collection::vec(0.0..0.999_f64, 0..40);
    let tracks = prop::collection::vec((any::<bool>(), chunks), 1..4);
    let parts = (
        bytes(50),
        bytes(400),
        bytes(400),
        bytes(50),
        tracks,
        any::<bool>(),
    );
    parts.prop_map(
        |(before, media, more_media, tail, tracks, wide_sizes)| Film {
            before,
            media,
            more_media,
            tail,
            tracks,
            wide_sizes,
        },
    )
}

proptest! {
    #[test]
    fn each_offset_is_at_the_same_bytes_as_before(film in films(), cut in 0.0..1.0_f64) {
        let file = film.file();
        let layout = layout(&file).unwrap();
        let moved = bytes(&file, &layout, 0..layout.size_bytes());
        prop_assert_eq!(moved.len() as u64, layout.size_bytes());
        let (old, new) = (offsets(&file), offsets(&moved));
        prop_assert_eq!(old.len(), film.tracks.len());
        prop_assert_eq!(new.len(), old.len());
        for ((_, old), (_, new)) in old.iter().zip(&new) {
            prop_assert_eq!(old.len(), new.len());
            for (&old, &new) in old.iter().zip(new) {
                let rest = film.rest_of_media(&file, old as usize);
                let (old, new) = (old as usize, new as usize);
                prop_assert!(rest > 0 && file[old..old + rest] == moved[new..new + rest]);
            }
        }
        let middle = (cut * moved.len() as f64) as u64;
        let parts = [bytes(&file, &layout, 0..middle), bytes(&file, &layout, middle..layout.size_bytes())];
        prop_assert_eq!(parts.concat(), moved);
    }

    #[test]
    fn what_is_cut_or_changed_is_read_or_refused_and_nothing_worse(
        film in films(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = film.file();
        for (at, value) in flips {
            let at = at.index(file.len());
            file[at] = value;
        }
        file.truncate(cut.index(file.len()) + 1);
        if let Ok(layout) = layout(&file) {
            let all = bytes(&file, &layout, 0..layout.size_bytes());
            prop_assert_eq!(all.len() as u64, layout.size_bytes());
        }
    }

    #[test]
    fn any_bytes_are_no_reason_to_panic(file in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = layout(&file);
    }
}

/// A file of 4 GiB that is never made: a head, media of which nothing is read, the index.
fn huge(media_bytes: u64, tracks: &[(&[u64], bool)]) -> (u64, impl Fn(Range<u64>) -> Vec<u8>) {
    let first = [
        mp4_box(b"ftyp", b"isom\0\0\0\0"),
        wide_head(b"mdat", media_bytes),
    ]
    .concat();
    let index: Vec<u8> = tracks
        .iter()
        .flat_map(|(it, wide)| track(it, *wide))
        .collect();
    let index = mp4_box(b"moov", &index);
    let index_at = first.len() as u64 + media_bytes;
    let size_bytes = index_at + index.len() as u64;
    let read = move |range: Range<u64>| {
        let (from, at) = if range.start >= index_at {
            (&index, range.start - index_at)
        } else {
            (&first, range.start)
        };
        let mut bytes = from[at as usize..].to_vec();
        bytes.resize((range.end - range.start) as usize, 0);
        bytes
    };
    (size_bytes, read)
}

fn index_of(layout: &Layout) -> Vec<u8> {
    let pieces = layout.pieces(&(0..layout.size_bytes()));
    let index = pieces.into_iter().find_map(|piece| match piece {
        Piece::Here(bytes) => Some(bytes.to_vec()),
        Piece::Source(_) => None,
    });
    index.unwrap()
}

#[test]
fn a_table_that_no_longer_fits_grows_and_what_that_moves_grows_too() {
    let last = u64::from(u32::MAX);
    // The first stays where it is; the second overflows by the index's size; the third by what the second grew.
    let one = track(&[1000], false).len() as u64;
    let all_bytes = 8 + 3 * one;
    let tracks = [
        (&[1000][..], false),
        (&[last - 1][..], false),
        (&[last - all_bytes][..], false),
    ];
    let (size_bytes, read) = huge(1 << 32, &tracks);
    let layout = scan(size_bytes, read).unwrap();
    let index = index_of(&layout);
    let added = index.len() as u64;
    assert_eq!(
        added,
        all_bytes + 8,
        "two tables of one entry, four bytes more each"
    );
    let found = offsets(&index);
    assert_eq!(
        found,
        [
            (false, vec![1000 + added]),
            (true, vec![last - 1 + added]),
            (true, vec![last - all_bytes + added])
        ]
    );
    assert_eq!(layout.size_bytes(), size_bytes + 8);
    // What is said of sizes holds: the boxes fill the index.
    let mut whole = mp4_box(b"ftyp", b"isom\0\0\0\0");
    whole.extend(&index);
    whole.extend(mp4_box(b"mdat", b"x"));
    assert_eq!(self::layout(&whole), Err(AsIs::InOrder));
}

#[test]
fn what_is_no_such_film_is_left_alone_and_why_is_said() {
    let ftyp = mp4_box(b"ftyp", b"isom\0\0\0\0");
    let media = mp4_box(b"mdat", &[1; 100]);
    let film = |index: &[u8]| [&ftyp[..], &media, &mp4_box(b"moov", index)].concat();
    let cases: Vec<(Vec<u8>, AsIs)> = vec![
        (b"GIF89a, or a text, or anything".to_vec(), AsIs::NotMp4),
        (Vec::new(), AsIs::NotMp4),
        (ftyp.clone(), AsIs::NotMp4),
        (
            [&ftyp[..], &mp4_box(b"moov", &track(&[1], false)), &media].concat(),
            AsIs::InOrder,
        ),
        ([&ftyp[..], &media].concat(), AsIs::InOrder),
        (film(&track(&[16], false))[..150].to_vec(), AsIs::Damaged),
        (film(&track(&[5000], false)), AsIs::Damaged),
        (
            film(&mp4_box(b"mvex", &[])),
            AsIs::OtherReferences(*b"mvex"),
        ),
        (
            film(&mp4_box(b"cmov", &[])),
            AsIs::OtherReferences(*b"cmov"),
        ),
        (
            film(&mp4_box(
                b"udta",
                &mp4_box(b"meta", &[&[0; 4][..], &mp4_box(b"iloc", &[0; 8])].concat()),
            )),
            AsIs::OtherReferences(*b"iloc"),
        ),
        (
            [&ftyp[..], &mp4_box(b"moof", &[]), &media].concat(),
            AsIs::OtherReferences(*b"moof"),
        ),
        (
            film(&[mp4_box(b"trak", &[0; 3]), vec![]].concat()),
            AsIs::Damaged,
        ),
    ];
    for (file, reason) in cases {
        assert_eq!(layout(&file), Err(reason), "{}", file.escape_ascii());
    }
    let (size_bytes, read) = huge(1000, &[]);
    let boxes = scan(size_bytes, |range| {
        if range.start > 1000 {
            wide_head(b"moov", 1 << 40)
        } else {
            read(range)
        }
    });
    assert_eq!(boxes, Err(AsIs::Damaged), "an index larger than its file");
    let many = [&ftyp[..], &mp4_box(b"free", &[]).repeat(1000)].concat();
    assert_eq!(layout(&many), Err(AsIs::TooLarge));
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn ffmpeg_decodes_the_same_pictures_and_sound_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, moved) = (
        folder.path().join("plain.mp4"),
        folder.path().join("moved.mp4"),
    );
    let inputs = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x180:rate=25:duration=4",
        "-f",
        "lavfi",
        "-i",
        "sine=duration=4",
    ];
    let made = run(
        "ffmpeg",
        &[&inputs[..], &["-c:v", "mpeg4", "-c:a", "aac", text(&plain)]].concat(),
    );
    if made.is_none() {
        eprintln!("skipped: ffmpeg is not on PATH");
        return;
    }
    let source: Arc<dyn ByteSource> = Arc::new(FileSource::open(&plain).unwrap());
    let layout = faststart_layout(&*source).await.unwrap().unwrap();
    let front = FaststartSource::new(source, Arc::new(layout));
    let size = front.size_bytes();
    let whole = front.read_range(0..size).await.unwrap();
    let index = whole.windows(4).position(|it| it == b"moov").unwrap();
    assert!(index < whole.windows(4).position(|it| it == b"mdat").unwrap());
    for step in [1000, 4096, 77_777] {
        let mut parts = Vec::new();
        for at in (0..size).step_by(step) {
            let range = at..(at + step as u64).min(size);
            parts.extend(front.read_range(range).await.unwrap());
        }
        assert!(parts == whole, "ranges of {step} bytes");
    }
    std::fs::write(&moved, &whole).unwrap();
    let decoded = |path: &Path| {
        run(
            "ffmpeg",
            &["-v", "error", "-i", text(path), "-f", "framemd5", "-"],
        )
        .unwrap()
    };
    let (before, after) = (decoded(&plain), decoded(&moved));
    assert!(before.lines().count() > 250, "pictures and sound: {before}");
    assert_eq!(before, after);
    // What is in front already stays as it is.
    let again = FileSource::open(&moved).unwrap();
    assert_eq!(faststart_layout(&again).await.unwrap(), Err(AsIs::InOrder));
}
