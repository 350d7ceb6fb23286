//! openh264, called so that every picture says which access unit it came from.
//!
//! Fed with Annex B access units and a tag each; feeds the H.264 source with planes. The safe wrapper of
//! the `openh264` crate neither passes the tag through nor hands out a picture together with an error
//! state, and both are needed to know which frame was lost. So this calls the C API through the
//! wrapper's raw handle; it is the only module of the crate with unsafe code.
#![expect(unsafe_code, reason = "the C API of openh264")]

use std::ptr;

use openh264::OpenH264API;
use openh264::decoder::{DecoderConfig, Flush};
use openh264_sys2::{SBufferInfo, dsErrorFree};

/// One decoder for one stream. It runs on the caller's thread.
pub(super) struct Decoder {
    inner: openh264::decoder::Decoder,
}

/// A picture, valid until the next call.
pub(super) struct Decoded<'a> {
    /// The tag of the access unit that it was decoded from.
    pub(super) tag: u64,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) planes: [&'a [u8]; 3],
    pub(super) strides: [usize; 3],
}

/// What one call came to: the state of the access unit that went in, and the picture that came out, which
/// may be of another.
pub(super) struct Outcome<'a> {
    pub(super) error: Option<String>,
    pub(super) picture: Option<Decoded<'a>>,
}

impl Decoder {
    pub(super) fn new() -> Result<Self, String> {
        // Error concealment is off in this configuration: a damaged picture is reported and left out, and
        // never patched up and passed off as the frame.
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        openh264::decoder::Decoder::with_api_config(OpenH264API::from_source(), config)
            .map(|inner| Self { inner })
            .map_err(|e| e.to_string())
    }

    /// Decodes one whole access unit.
    pub(super) fn decode(&mut self, annex_b: &[u8], tag: u64) -> Outcome<'_> {
        let Ok(len) = i32::try_from(annex_b.len()) else {
            return Outcome {
                error: Some("the access unit is longer than 2 GiB".to_owned()),
                picture: None,
            };
        };
        let mut planes = [ptr::null_mut::<u8>(); 3];
        let mut info = SBufferInfo {
            uiInBsTimeStamp: tag,
            ..SBufferInfo::default()
        };
        // SAFETY: `annex_b` is readable for `len` bytes and only read; `planes` and `info` are written,
        // and outlive the call. The handle was initialised by the wrapper and is used by one thread at a
        // time, since `self` is borrowed mutably.
        let state = unsafe {
            self.inner.raw_api().decode_frame_no_delay(
                annex_b.as_ptr(),
                len,
                planes.as_mut_ptr(),
                &raw mut info,
            )
        };
        Outcome {
            error: (state != dsErrorFree).then(|| describe(state)),
            picture: self.picture(planes, &info),
        }
    }

    /// The next picture that the decoder still holds, once the last access unit is in.
    pub(super) fn flush(&mut self) -> Option<Decoded<'_>> {
        let mut planes = [ptr::null_mut::<u8>(); 3];
        let mut info = SBufferInfo::default();
        // SAFETY: as in `decode`; a decoder that holds nothing leaves both arguments as they are.
        let state = unsafe {
            let api = self.inner.raw_api();
            api.flush_frame(planes.as_mut_ptr(), &raw mut info)
        };
        if state != dsErrorFree {
            return None;
        }
        self.picture(planes, &info)
    }

    /// The picture that a call left behind. Borrows `self`, since the next call reuses its memory.
    fn picture(&self, planes: [*mut u8; 3], info: &SBufferInfo) -> Option<Decoded<'_>> {
        if info.iBufferStatus != 1 || planes.iter().any(|plane| plane.is_null()) {
            return None;
        }
        // SAFETY: the union has one variant.
        let memory = unsafe { info.UsrData.sSystemBuffer };
        let [width, height] = [memory.iWidth, memory.iHeight].map(|n| u32::try_from(n).ok());
        let [width, height] = [width?, height?];
        let [luma, chroma] = memory.iStride.map(|n| usize::try_from(n).ok());
        let strides = [luma?, chroma?, chroma?];
        let [columns, rows] = [width as usize, height as usize];
        if columns == 0 || rows == 0 || strides[0] < columns {
            return None;
        }
        let length = |stride: usize, columns: usize, rows: usize| stride * (rows - 1) + columns;
        let chroma_length = length(strides[1], columns.div_ceil(2), rows.div_ceil(2));
        // SAFETY: openh264 hands out pointers to the first cropped sample of planes that reach at least
        // to the last cropped one, `stride` bytes between rows, and keeps them as they are until the
        // next call (codec_api.h, `DecodeFrameNoDelay`). The lifetime is that of the borrow of `self`.
        let planes = unsafe {
            [
                std::slice::from_raw_parts(planes[0], length(strides[0], columns, rows)),
                std::slice::from_raw_parts(planes[1], chroma_length),
                std::slice::from_raw_parts(planes[2], chroma_length),
            ]
        };
        Some(Decoded {
            tag: info.uiOutYuvTimeStamp,
            width,
            height,
            planes,
            strides,
        })
    }
}

/// The bits of a `DECODING_STATE` (codec_app_def.h) in words.
fn describe(state: i32) -> String {
    const MEANINGS: [(i32, &str); 7] = [
        (0x01, "the picture is incomplete"),
        (0x02, "a reference picture is missing"),
        (0x04, "the bitstream is damaged"),
        (0x08, "a layer is missing"),
        (0x10, "parameter sets are missing"),
        (0x40, "the reference list is damaged"),
        (0x4000, "the decoder is out of memory"),
    ];
    let words: Vec<&str> = MEANINGS
        .iter()
        .filter(|(bit, _)| state & bit != 0)
        .map(|(_, words)| *words)
        .collect();
    if words.is_empty() {
        return format!("openh264 state {state:#x}");
    }
    format!("{} (openh264 state {state:#x})", words.join(", "))
}
