//! Pictures to H.264, by openh264: every picture an access unit of its own, in the order they come, at one quality.
//!
//! Fed by whoever sends processed or decoded frames as H.264. Without B-frames, so that what is decoded first is shown
//! first, and without rate control's liberties: no frame is left out, and the quantiser is the same for all.

use bytes::Bytes;
use frame_buffer::{ColorRange, Picture, PictureSize};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, ColorPrimaries, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod,
    MatrixCoefficients, QpRange, RateControlMode, TransferCharacteristics, VuiConfig,
};
use openh264::formats::YUVSlices;

/// openh264 encodes from here, in samples of either side.
const MIN_SIDE: u32 = 16;
/// openh264's most (its README), in samples.
const MAX_LONG_SIDE: u32 = 3840;
const MAX_SHORT_SIDE: u32 = 2160;
/// The finest quantiser that its rate control keeps to, and the coarsest there is (H.264 §7.4.2.2).
const FINEST_QP: u32 = 12;
const COARSEST_QP: u32 = 51;
/// Said to the rate control, which the quantiser's bounds leave nothing to decide.
const BIT_RATE_BPS: u32 = 20_000_000;

/// Why a picture was not encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum H264EncodeError {
    /// openh264 encodes no pictures of this size.
    #[error(
        "a picture of {width}x{height} cannot be H.264 here: sides are {MIN_SIDE} to {MAX_LONG_SIDE}x{MAX_SHORT_SIDE} samples; use JPEG"
    )]
    Size {
        /// Samples per row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The bytes are not what a picture of that size has.
    #[error("{bytes} B are no I420 picture of {width}x{height}")]
    Length {
        /// Bytes given.
        bytes: usize,
        /// Samples per row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// openh264 failed.
    #[error("the H.264 encoder failed: {0}")]
    Encoder(String),
}

/// An encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H264Unit {
    /// NAL units in Annex B form, each behind four bytes of start code.
    pub payload: Bytes,
    /// An IDR picture with its parameter sets: decoding can begin here.
    pub keyframe: bool,
}

/// Encodes pictures one after another. A change of size or range begins a new sequence, with a keyframe.
pub struct H264Encoder {
    qp: u8,
    current: Option<(Shape, Encoder)>,
}

/// What a sequence cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    size: PictureSize,
    range: ColorRange,
}

/// Planes of an even size.
struct Planes<'a> {
    planes: (&'a [u8], &'a [u8], &'a [u8]),
    strides: (usize, usize, usize),
}

impl H264Encoder {
    /// `quality` is 1–100 as with JPEG, more is better: it sets the quantiser, 51 to 12. 85 is 18.
    #[must_use]
    pub fn new(quality: u8) -> Self {
        let coarser = 100 - u32::from(quality.clamp(1, 100));
        let qp = FINEST_QP + coarser * (COARSEST_QP - FINEST_QP) / 99;
        Self {
            // At most `COARSEST_QP`.
            qp: qp as u8,
            current: None,
        }
    }

    /// The size that a picture of this size is encoded in: H.264's sides are even here. The last column or row is repeated
    /// where one is odd.
    #[must_use]
    pub fn even(size: PictureSize) -> PictureSize {
        PictureSize {
            width: size.width.next_multiple_of(2),
            height: size.height.next_multiple_of(2),
        }
    }

    /// The next picture; with `keyframe` one that decoding can begin at.
    ///
    /// # Errors
    /// [`H264EncodeError`]; the next picture may well be encoded.
    pub fn encode(
        &mut self,
        picture: &Picture,
        keyframe: bool,
    ) -> Result<H264Unit, H264EncodeError> {
        let shape = Shape {
            size: Self::even(picture.size()),
            range: picture.range(),
        };
        let chroma = picture.c_stride();
        let planes = Planes {
            planes: (picture.y_even(), picture.u(), picture.v()),
            strides: (picture.y_stride(), chroma, chroma),
        };
        self.encode_planes(shape, &planes, keyframe)
    }

    /// The same of planes Y, U, V one behind the other without padding, full range, of an [even](Self::even) size.
    ///
    /// # Errors
    /// [`H264EncodeError`]; the next picture may well be encoded.
    pub fn encode_i420(
        &mut self,
        size: PictureSize,
        bytes: &[u8],
        keyframe: bool,
    ) -> Result<H264Unit, H264EncodeError> {
        let PictureSize { width, height } = size;
        let luma = u64::from(width) * u64::from(height);
        let wrong = width % 2 != 0 || height % 2 != 0 || bytes.len() as u64 != luma * 3 / 2;
        if wrong {
            return Err(H264EncodeError::Length {
                bytes: bytes.len(),
                width,
                height,
            });
        }
        // As long as the slice is.
        let (y, chroma) = bytes.split_at(luma as usize);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let (row, half_row) = (width as usize, width as usize / 2);
        let planes = Planes {
            planes: (y, u, v),
            strides: (row, half_row, half_row),
        };
        let shape = Shape {
            size,
            range: ColorRange::Full,
        };
        self.encode_planes(shape, &planes, keyframe)
    }

    fn encode_planes(
        &mut self,
        shape: Shape,
        planes: &Planes<'_>,
        keyframe: bool,
    ) -> Result<H264Unit, H264EncodeError> {
        check(shape.size)?;
        let begun = self.current.take_if(|(of, _)| *of == shape);
        let goes_on = begun.is_some();
        let mut encoder = match begun {
            Some((_, encoder)) => encoder,
            None => self.begin(shape)?,
        };
        if goes_on && keyframe {
            encoder.force_intra_frame();
        }
        let PictureSize { width, height } = shape.size;
        let slices = YUVSlices::new(
            planes.planes,
            (width as usize, height as usize),
            planes.strides,
        );
        let (payload, kind) = match encoder.encode(&slices) {
            Ok(stream) => (stream.to_vec(), stream.frame_type()),
            // The next picture begins anew.
            Err(error) => return Err(H264EncodeError::Encoder(error.to_string())),
        };
        if payload.is_empty() {
            return Err(H264EncodeError::Encoder(format!("it gave {kind:?}")));
        }
        self.current = Some((shape, encoder));
        Ok(H264Unit {
            payload: payload.into(),
            keyframe: kind == FrameType::IDR,
        })
    }

    fn begin(&self, shape: Shape) -> Result<Encoder, H264EncodeError> {
        let vui = VuiConfig::new()
            .color_primaries(ColorPrimaries::Unspecified)
            .transfer_characteristics(TransferCharacteristics::Unspecified)
            .matrix_coefficients(MatrixCoefficients::Unspecified)
            .full_range(shape.range == ColorRange::Full);
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(BIT_RATE_BPS))
            .max_frame_rate(FrameRate::from_hz(30.0))
            .rate_control_mode(RateControlMode::Quality)
            .qp(QpRange::new(self.qp, self.qp))
            .skip_frames(false)
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(false)
            // Keyframes come when they are asked for.
            .intra_frame_period(IntraFramePeriod::auto())
            .num_threads(1)
            .vui(vui);
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config);
        let mut encoder = encoder.map_err(|error| H264EncodeError::Encoder(error.to_string()))?;
        silence(&mut encoder);
        Ok(encoder)
    }
}

impl std::fmt::Debug for H264Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = self.current.as_ref().map(|(shape, _)| shape);
        f.debug_struct("H264Encoder")
            .field("qp", &self.qp)
            .field("shape", &shape)
            .finish_non_exhaustive()
    }
}

/// Keeps openh264 from writing to stderr what it thinks of the settings when it starts.
#[expect(unsafe_code, reason = "the C API of openh264")]
fn silence(encoder: &mut Encoder) {
    let mut level = openh264_sys2::WELS_LOG_QUIET;
    // SAFETY: the option is one that may be set before the encoder has started; it is read as an int, and not kept.
    unsafe {
        encoder.raw_api().set_option(
            openh264_sys2::ENCODER_OPTION_TRACE_LEVEL,
            (&raw mut level).cast(),
        );
    }
}

fn check(size: PictureSize) -> Result<(), H264EncodeError> {
    let PictureSize { width, height } = size;
    let (long, short) = (width.max(height), width.min(height));
    if short < MIN_SIDE || long > MAX_LONG_SIDE || short > MAX_SHORT_SIDE {
        return Err(H264EncodeError::Size { width, height });
    }
    Ok(())
}
