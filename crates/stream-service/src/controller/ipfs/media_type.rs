//! What kind of content it is: by its name's ending, or by its first bytes.
//!
//! Nothing that a browser would run is told from bytes: what has no ending is never called HTML or a script.

/// How many of its first bytes tell a content.
pub(super) const SNIFFED_BYTES: u64 = 512;

/// The type that a file's name tells.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" | "qt" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "avi" => "video/x-msvideo",
        "ts" | "m2ts" => "video/mp2t",
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "m4a" => "audio/mp4",
        "mp3" => "audio/mpeg",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "ogv" => "video/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "txt" | "md" | "log" | "srt" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "vtt" => "text/vtt; charset=utf-8",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "car" => "application/vnd.ipld.car",
        "zip" => "application/zip",
        "onnx" | "bin" => "application/octet-stream",
        _ => return None,
    })
}

/// The type that its first bytes tell.
pub(super) fn by_content(first: &[u8]) -> &'static str {
    let at =
        |place: usize, bytes: &[u8]| first.get(place..).is_some_and(|it| it.starts_with(bytes));
    let known: [(usize, &[u8], &str); 14] = [
        (4, b"ftypqt", "video/quicktime"),
        (4, b"ftypM4A", "audio/mp4"),
        (4, b"ftypavif", "image/avif"),
        (4, b"ftyp", "video/mp4"),
        (0, b"\x1a\x45\xdf\xa3", "video/webm"),
        (0, b"\xff\xd8\xff", "image/jpeg"),
        (0, b"\x89PNG\r\n\x1a\n", "image/png"),
        (0, b"GIF8", "image/gif"),
        (8, b"WEBP", "image/webp"),
        (8, b"AVI ", "video/x-msvideo"),
        (8, b"WAVE", "audio/wav"),
        (0, b"OggS", "audio/ogg"),
        (0, b"ID3", "audio/mpeg"),
        (0, b"%PDF-", "application/pdf"),
    ];
    let found = known.iter().find(|(place, bytes, _)| at(*place, bytes));
    match found {
        // WebM is Matroska with a certain name in its head.
        Some((_, _, "video/webm")) if !first.windows(4).any(|it| it == b"webm") => {
            "video/x-matroska"
        }
        Some((_, _, found)) => found,
        None if is_text(first) => "text/plain; charset=utf-8",
        None => "application/octet-stream",
    }
}

/// UTF-8 without control characters, but for what a cut at the end may have broken.
fn is_text(first: &[u8]) -> bool {
    let whole = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.is_empty()
        && !whole
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_before_bytes() {
        assert_eq!(by_name("a.b.MP4"), Some("video/mp4"));
        assert_eq!(
            (by_name("mp4"), by_name("a.xyz"), by_name("a.")),
            (None, None, None)
        );
    }

    #[test]
    fn bytes_tell_films_pictures_and_texts_but_nothing_that_runs() {
        for (bytes, kind) in [
            (&b"\0\0\0\x18ftypisom"[..], "video/mp4"),
            (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
            (b"\x1a\x45\xdf\xa3\x93\x42\x82\x84webm", "video/webm"),
            (
                b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska",
                "video/x-matroska",
            ),
            (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (
                b"<html><script>alert(1)</script>",
                "text/plain; charset=utf-8",
            ),
            ("gr\u{fc}n \u{20ac}".as_bytes(), "text/plain; charset=utf-8"),
            (
                &"gr\u{fc}n \u{20ac}".as_bytes()[..7],
                "text/plain; charset=utf-8",
            ),
            (b"\0\x01\x02", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ] {
            assert_eq!(by_content(bytes), kind, "{}", bytes.escape_ascii());
        }
    }
}
