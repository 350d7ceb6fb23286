//! What comes back for each frame: its result, and where it is asked for the processed frame, each by a link of its own.
//!
//! Fed by lanes; gives an answer when all of it is here, so that it is written down as one, and acknowledged as one.

use std::time::{Duration, Instant};

use bytes::Bytes;
use datachannel_transport::{
    ConfigError, Encoding, FrameReceiver, GoodbyeCode, LaneError, LaneId, LaneLimits,
    ProtocolError, ReceiverEvent,
};

use super::settings;
use crate::lanes::end::Channel;

/// All that a worker has to say of one frame.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) sequence: u64,
    pub(super) source_id: u64,
    /// JSON text.
    pub(super) document: Bytes,
    /// Encoded, where pictures are asked for and there is one.
    pub(super) picture: Option<Bytes>,
}

pub(super) struct Answers {
    results: FrameReceiver,
    pictures: Option<FrameReceiver>,
    results_ended: bool,
    pictures_ended: bool,
}

impl Answers {
    /// Those of the frames from `first` on.
    pub(super) fn new(
        now: Instant,
        epoch: u32,
        first: u64,
        with_pictures: bool,
    ) -> Result<Self, ConfigError> {
        let pictures = with_pictures.then(|| settings::pictures(now, epoch, first));
        Ok(Self {
            results: settings::results(now, epoch, first)?,
            pictures: pictures.transpose()?,
            results_ended: false,
            pictures_ended: !with_pictures,
        })
    }

    /// Those of a link made anew.
    pub(super) fn begin_again(
        &mut self,
        now: Instant,
        epoch: u32,
        first: u64,
    ) -> Result<(), ConfigError> {
        *self = Self::new(now, epoch, first, self.pictures.is_some())?;
        Ok(())
    }

    fn link(&mut self, channel: Channel) -> Option<&mut FrameReceiver> {
        match channel {
            Channel::Frames => None,
            Channel::Results => Some(&mut self.results),
            Channel::Pictures => self.pictures.as_mut(),
        }
    }

    fn links(&mut self) -> impl Iterator<Item = &mut FrameReceiver> {
        std::iter::once(&mut self.results).chain(&mut self.pictures)
    }

    pub(super) fn with_pictures(&self) -> bool {
        self.pictures.is_some()
    }

    pub(super) fn lane_opened(
        &mut self,
        now: Instant,
        lane: LaneId,
        channel: Channel,
        limits: LaneLimits,
    ) -> Result<(), LaneError> {
        self.link(channel)
            .map_or(Ok(()), |link| link.lane_opened(now, lane, limits))
    }

    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        lane: LaneId,
        channel: Channel,
        message: &[u8],
    ) -> Result<(), ProtocolError> {
        self.link(channel)
            .map_or(Ok(()), |link| link.handle_message(now, lane, message))
    }

    pub(super) fn poll_message(
        &mut self,
        now: Instant,
        lane: LaneId,
        channel: Channel,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        self.link(channel)
            .is_some_and(|link| link.poll_message(now, lane, room_bytes, out))
    }

    pub(super) fn lane_closed(&mut self, now: Instant, lane: LaneId) {
        self.links().for_each(|link| link.lane_closed(now, lane));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let pictures = self.pictures.as_ref().and_then(FrameReceiver::poll_timeout);
        self.results
            .poll_timeout()
            .into_iter()
            .chain(pictures)
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.links().for_each(|link| link.handle_timeout(now));
    }

    pub(super) fn goodbye(&mut self, now: Instant, code: GoodbyeCode, text: &str) {
        self.links().for_each(|link| link.goodbye(now, code, text));
    }

    /// Whether [`poll`](Self::poll) has something to give.
    pub(super) fn has_answer(&self) -> bool {
        self.results.has_frame() && self.pictures.as_ref().is_none_or(FrameReceiver::has_frame)
    }

    /// The next answer. `Err`: the two links do not speak of the same frame.
    pub(super) fn poll(&mut self) -> Option<Result<Answer, String>> {
        if !self.has_answer() {
            return None;
        }
        let result = self.results.poll_frame()?;
        let mut answer = Answer {
            sequence: result.sequence,
            source_id: result.meta.source_id,
            document: result.payload,
            picture: None,
        };
        if let Some(pictures) = &mut self.pictures {
            let picture = pictures.poll_frame()?;
            if (picture.sequence, picture.meta.source_id) != (answer.sequence, answer.source_id) {
                return Some(Err(format!(
                    "result {} came beside picture {}",
                    answer.sequence, picture.sequence
                )));
            }
            let is_one = matches!(picture.meta.encoding, Encoding::Jpeg | Encoding::H264);
            answer.picture = is_one.then_some(picture.payload);
        }
        Some(Ok(answer))
    }

    /// What else the worker said: `Err` when the ends do not agree, and a goodbye.
    pub(super) fn poll_event(&mut self) -> Option<Result<(GoodbyeCode, String), &'static str>> {
        while let Some(event) = self.results.poll_event() {
            match event {
                // An end whose hash is another is no end: nobody can say which results are whole.
                ReceiverEvent::Eof { verified: true, .. } => self.results_ended = true,
                ReceiverEvent::Eof { .. } => {
                    return Some(Err("the worker's count or hash of the results is another"));
                }
                ReceiverEvent::PeerGoodbye { code, text } => return Some(Ok((code, text))),
                _ => {}
            }
        }
        let pictures = self.pictures.as_mut()?;
        while let Some(event) = pictures.poll_event() {
            match event {
                ReceiverEvent::Eof { verified: true, .. } => self.pictures_ended = true,
                ReceiverEvent::Eof { .. } => {
                    return Some(Err(
                        "the worker's count or hash of the processed frames is another",
                    ));
                }
                ReceiverEvent::PeerGoodbye { code, text } => return Some(Ok((code, text))),
                _ => {}
            }
        }
        None
    }

    /// No more comes.
    pub(super) fn have_ended(&self) -> bool {
        self.results_ended && self.pictures_ended
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.results.round_trip()
    }

    pub(super) fn shortest_round_trip(&self) -> Option<Duration> {
        self.results.shortest_round_trip()
    }
}
