//! A video's access units as they travel, its own or made here: `source_id` counts what a viewer sees, the sequence what a decoder takes.
//!
//! Fed by media-source; feeds the link by `payloads`.

use std::collections::VecDeque;

use bytes::Bytes;
use datachannel_transport::{Encoding, FrameMeta, OutgoingFrame, ResumePoint};
use media_source::{AccessUnit, AccessUnits, VideoInfo, VideoUri};

use super::encoded::EncodedUnits;
use super::groups::Groups;
use super::opaque::SCHEME;
use super::options::{PayloadEncoding, SendOptions};
use super::payloads::{PayloadError, meta};

/// The access units of one input.
pub(super) struct UnitPayloads {
    source: Source,
    /// Read already, and to be sent first.
    again: VecDeque<OutgoingFrame>,
}

/// Where they come from.
enum Source {
    /// The container has them.
    Own(Box<AccessUnits>),
    /// They are made here.
    Encoded(Box<EncodedUnits>),
}

impl Source {
    fn info(&self) -> &VideoInfo {
        match self {
            Self::Own(units) => units.info(),
            Self::Encoded(units) => units.info(),
        }
    }

    fn next_unit(&mut self) -> Result<Option<AccessUnit>, PayloadError> {
        match self {
            Self::Own(units) => units
                .next_unit()
                .map_err(|source| PayloadError::Read { after: 0, source }),
            Self::Encoded(units) => units.next_unit(),
        }
    }
}

impl UnitPayloads {
    /// Opens the input.
    pub(super) async fn open(options: &SendOptions) -> Result<Self, PayloadError> {
        let uri = &options.input;
        if uri.starts_with(SCHEME) {
            return Err(PayloadError::Open(media_source::OpenError::NoAccessUnits {
                name: uri.clone(),
                reason: "it is payloads made for measuring".to_owned(),
            }));
        }
        let uri: VideoUri = uri.parse()?;
        let open = &options.open;
        let source = if options.encoding == PayloadEncoding::H264 {
            let made = EncodedUnits::open(&uri, open, options.quality).await?;
            Source::Encoded(Box::new(made))
        } else {
            let own = media_source::driver::open_access_units(&uri, open).await?;
            Source::Own(Box::new(own))
        };
        Ok(Self {
            source,
            again: VecDeque::new(),
        })
    }

    pub(super) fn frame_count(&self) -> Option<u64> {
        self.source.info().frame_count
    }

    /// Goes to the last keyframe from which every frame can be had that is shown from `answered` on; where that is.
    /// Blocks: reads everything before it, for the hash of all that was sent.
    pub(super) fn begin_at(&mut self, answered: u64) -> Result<ResumePoint, PayloadError> {
        let mut groups = Groups::new(ResumePoint::default());
        while answered > 0
            && groups.next_sequence() <= answered
            && let Some(unit) = self.read()?
        {
            groups.push(unit);
            groups.answered(answered);
        }
        let (start, units) = groups.restart();
        self.again = units.cloned().collect();
        Ok(start)
    }

    /// The next unit; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<OutgoingFrame>, PayloadError> {
        match self.again.pop_front() {
            Some(unit) => Ok(Some(unit)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<OutgoingFrame>, PayloadError> {
        let Some(unit) = self.source.next_unit()? else {
            return Ok(None);
        };
        let size = self.source.info().size;
        let AccessUnit {
            presentation_index,
            pts,
            duration,
            keyframe,
            ..
        } = unit;
        let meta = FrameMeta {
            width: size.width,
            height: size.height,
            keyframe,
            ..meta(presentation_index, pts, duration, Encoding::H264)
        };
        let payload: Bytes = unit.payload;
        Ok(Some(OutgoingFrame { meta, payload }))
    }
}
