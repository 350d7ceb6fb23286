//! MP4 files built by hand: boxes, tracks, and an index wherever it is wanted.

/// A box.
pub fn mp4_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = (content.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(content);
    out
}

/// A box whose size is written in 64 bits.
pub fn wide_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = 1_u32.to_be_bytes().to_vec();
    out.extend(kind);
    out.extend((content.len() as u64 + 16).to_be_bytes());
    out.extend(content);
    out
}

/// The head of a box whose content is somewhere else.
pub fn wide_head(kind: &[u8; 4], content_bytes: u64) -> Vec<u8> {
    let mut out = wide_box(kind, &[]);
    out[8..].copy_from_slice(&(content_bytes + 16).to_be_bytes());
    out
}

/// A table of chunk offsets, of 32 or 64 bits.
pub fn table(offsets: &[u64], wide: bool) -> Vec<u8> {
    let mut content = vec![0; 4];
    content.extend((offsets.len() as u32).to_be_bytes());
    for &offset in offsets {
        if wide {
            content.extend(offset.to_be_bytes());
        } else {
            content.extend((offset as u32).to_be_bytes());
        }
    }
    mp4_box(if wide { b"co64" } else { b"stco" }, &content)
}

/// A `trak` with that table at its place, and boxes around it.
pub fn track(offsets: &[u64], wide: bool) -> Vec<u8> {
    let reference = [
        &[0; 4][..],
        &1_u32.to_be_bytes(),
        &mp4_box(b"url ", &[0, 0, 0, 1]),
    ]
    .concat();
    let dinf = mp4_box(b"dinf", &mp4_box(b"dref", &reference));
    let stbl = [mp4_box(b"stsz", &[7; 20]), table(offsets, wide)].concat();
    let stbl = mp4_box(b"stbl", &stbl);
    let minf = mp4_box(b"minf", &[dinf, stbl].concat());
    let mdia = [mp4_box(b"mdhd", &[3; 24]), minf].concat();
    let mdia = mp4_box(b"mdia", &mdia);
    mp4_box(b"trak", &[mp4_box(b"tkhd", &[5; 84]), mdia].concat())
}

/// The offsets of each table in `bytes`, found by their names: no boxes are followed.
pub fn offsets(bytes: &[u8]) -> Vec<(bool, Vec<u64>)> {
    let mut found = Vec::new();
    for at in 0..bytes.len().saturating_sub(12) {
        let (wide, width) = match &bytes[at..at + 4] {
            b"stco" => (false, 4),
            b"co64" => (true, 8),
            _ => continue,
        };
        let count = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let entries = bytes[at + 12..at + 12 + count * width].chunks(width);
        let value = |entry: &[u8]| {
            entry
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
        };
        found.push((wide, entries.map(value).collect()));
    }
    found
}
