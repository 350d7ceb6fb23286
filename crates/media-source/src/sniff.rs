//! Which container is it? Told by the first bytes, never by a name.
//!
//! Fed by the start of the input; feeds [`open_reader`](crate::open_reader), and the error that names what
//! cannot be read and what to do about it.

use crate::OpenError;

/// Bytes looked at: enough for the codec names near the start of a Matroska file.
pub(crate) const SNIFF_BYTES: usize = 4096;

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Container {
    Mp4,
    Avi,
    Multipart,
    Jpeg,
    /// Known by name, and not read here.
    Unsupported {
        container: &'static str,
        codec: &'static str,
    },
    Unknown,
}

/// Recognises a container.
pub(crate) fn sniff(head: &[u8]) -> Container {
    match head {
        [_, _, _, _, kind @ ..] if is_top_level_box(kind) => Container::Mp4,
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'A',
            b'V',
            b'I',
            b' ',
            ..,
        ] => Container::Avi,
        [0xff, 0xd8, 0xff, ..] => Container::Jpeg,
        _ if is_multipart(head) => Container::Multipart,
        _ => match unsupported_container(head) {
            Some((container, codec)) => Container::Unsupported { container, codec },
            None => Container::Unknown,
        },
    }
}

fn is_top_level_box(kind: &[u8]) -> bool {
    const BOXES: [&[u8; 4]; 9] = [
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof",
    ];
    BOXES.iter().any(|name| kind.starts_with(*name))
}

/// A boundary line at the start, after blank lines at most, or after the header of the response itself.
fn is_multipart(head: &[u8]) -> bool {
    let start = head.iter().position(|b| !matches!(b, b'\r' | b'\n'));
    let text = &head[start.unwrap_or(head.len())..];
    let response = text.starts_with(b"HTTP/1.") && contains(text, b"multipart/x-mixed-replace");
    let part = text.starts_with(b"--")
        && text.get(2..).is_some_and(|rest| !rest.is_empty())
        && (contains_ignoring_case(text, b"content-type:") || contains(text, &[0xff, 0xd8, 0xff]));
    response || part
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

fn contains_ignoring_case(haystack: &[u8], needle: &[u8]) -> bool {
    let mut windows = haystack.windows(needle.len());
    windows.any(|w| w.eq_ignore_ascii_case(needle))
}

fn unsupported_container(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const UNKNOWN_CODEC: &str = "the video";
    let is_ts = |packet: usize| {
        (0..3).all(|i| head.get(i * packet).is_some_and(|b| *b == 0x47)) && head.len() > packet
    };
    Some(match head {
        [0x1a, 0x45, 0xdf, 0xa3, ..] => ("Matroska or WebM", matroska_codec(head)),
        [b'O', b'g', b'g', b'S', ..] => ("Ogg", UNKNOWN_CODEC),
        [b'F', b'L', b'V', 1, ..] => ("FLV", UNKNOWN_CODEC),
        [b'G', b'I', b'F', b'8', ..] => ("GIF", "GIF animation"),
        [0x89, b'P', b'N', b'G', ..] => ("PNG", "PNG"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => ("WebP", "WebP"),
        [b'D', b'K', b'I', b'F', ..] => ("IVF", UNKNOWN_CODEC),
        [0x30, 0x26, 0xb2, 0x75, ..] => ("ASF or WMV", UNKNOWN_CODEC),
        [0, 0, 1, 0xba, ..] => ("MPEG program stream", UNKNOWN_CODEC),
        [0, 0, 1, 0xb3, ..] => ("MPEG elementary stream", "MPEG-1 or MPEG-2 video"),
        [0, 0, 0, 1, ..] | [0, 0, 1, ..] => ("Annex B byte stream", "H.264 or H.265"),
        _ if is_ts(188) => ("MPEG transport stream", UNKNOWN_CODEC),
        [_, _, _, _, rest @ ..] if rest.first() == Some(&0x47) && rest.get(192) == Some(&0x47) => {
            ("MPEG transport stream (M2TS)", UNKNOWN_CODEC)
        }
        _ => return None,
    })
}

/// The codec of a Matroska file, whose identifiers stand in plain text near its start.
fn matroska_codec(head: &[u8]) -> &'static str {
    const CODECS: [(&[u8], &str); 8] = [
        (b"V_MPEGH/ISO/HEVC", "H.265/HEVC"),
        (b"V_MPEG4/ISO/AVC", "H.264"),
        (b"V_VP9", "VP9"),
        (b"V_VP8", "VP8"),
        (b"V_AV1", "AV1"),
        (b"V_MJPEG", "MJPEG"),
        (b"V_MPEG4", "MPEG-4 Visual"),
        (b"V_MPEG2", "MPEG-2 video"),
    ];
    let found = CODECS.iter().find(|(id, _)| contains(head, id));
    found.map_or("the video", |(_, name)| name)
}

/// The error for what is known by name and not decoded.
pub(crate) fn unsupported(name: &str, container: &str, codec: &str) -> OpenError {
    OpenError::UnsupportedCodec {
        name: name.to_owned(),
        codec: codec.to_owned(),
        container: container.to_owned(),
        hint:
            "re-encode it with: ffmpeg -i INPUT -c:v libx264 -pix_fmt yuv420p -movflags +faststart \
               OUTPUT.mp4"
                .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_by_their_first_bytes() {
        let avi = b"RIFF\x10\0\0\0AVI LIST";
        assert_eq!(sniff(b"\0\0\0\x18ftypisom"), Container::Mp4);
        assert_eq!(sniff(b"\0\0\0\x08wide\0\0"), Container::Mp4);
        assert_eq!(sniff(avi), Container::Avi);
        assert_eq!(sniff(&[0xff, 0xd8, 0xff, 0xe0]), Container::Jpeg);
        let part = b"\r\n--myboundary\r\nContent-Type: image/jpeg\r\n\r\n";
        assert_eq!(sniff(part), Container::Multipart);
        assert_eq!(sniff(b"-- a plain text with dashes"), Container::Unknown);
        assert_eq!(sniff(b""), Container::Unknown);
    }

    #[test]
    fn a_matroska_codec_is_named() {
        let mut webm = vec![0x1a, 0x45, 0xdf, 0xa3];
        webm.extend_from_slice(b"....V_VP9....");
        let expected = Container::Unsupported {
            container: "Matroska or WebM",
            codec: "VP9",
        };
        assert_eq!(sniff(&webm), expected);
    }
}
