//! Motion JPEG in all its wrappings to frames.
//!
//! A wrapping (AVI, MP4, multipart, JPEGs one behind another, a folder) is a [`JpegStream`]: it hands out
//! one JPEG at a time with its time. [`MjpegSource`] decodes them.

mod avi;
mod concat;
mod mp4;
mod multipart;
mod scan;
mod source;

pub(crate) use source::{JpegStream, MjpegSource, StreamInfo, Unit};

use frame_buffer::FramePool;

use crate::OpenError;
use crate::input::Input;
use crate::mp4::Demuxer;
use crate::rate::Rate;

/// Opens MJPEG in AVI.
pub(crate) fn open_avi(
    input: Input,
    pool: FramePool,
) -> Result<MjpegSource<avi::AviStream>, OpenError> {
    MjpegSource::open(avi::AviStream::open(input)?, pool)
}

/// Opens MJPEG in MP4.
pub(crate) fn open_mp4(
    demuxer: Demuxer,
    pool: FramePool,
) -> Result<MjpegSource<mp4::Mp4Stream>, OpenError> {
    MjpegSource::open(mp4::Mp4Stream::new(demuxer), pool)
}

/// Opens a recorded multipart/x-mixed-replace response.
pub(crate) fn open_multipart(
    input: Input,
    rate: Rate,
    pool: FramePool,
) -> Result<MjpegSource<multipart::MultipartStream>, OpenError> {
    MjpegSource::open(multipart::MultipartStream::open(input, rate)?, pool)
}

/// Opens one JPEG, or JPEGs one behind another.
pub(crate) fn open_jpeg(
    input: Input,
    rate: Rate,
    pool: FramePool,
) -> Result<MjpegSource<concat::ConcatStream>, OpenError> {
    MjpegSource::open(concat::ConcatStream::new(input, rate), pool)
}
