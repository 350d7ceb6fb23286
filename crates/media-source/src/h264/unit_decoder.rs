//! Access units back to pictures, where they arrive.
//!
//! Fed with [`AccessUnit`]s in decode order; hands out pictures in presentation order, each as soon as the decoder gives it
//! and those before it. Each unit has exactly one outcome, whatever is wrong with it.
//!
//! openh264 keeps pictures back for reordering, and getting them out costs it their memory for good (its `FlushFrame` does
//! not release what it hands out), so that a decoder that was flushed is not used again: the next keyframe gets a new one.

use std::collections::BTreeMap;
use std::time::Duration;

use frame_buffer::{ColorRange, FramePool, Picture, PictureError, PictureSize};

use super::access_units::AccessUnit;
use super::avcc::{is_slice, is_sps, split_annex_b};
use super::decoder::{Decoded, Decoder};
use super::source::MAX_HELD_PICTURES;
use super::sps::Sps;
use super::to_picture;

/// Units that wait for one that is shown before them: twice as many as a stream in order can have.
const MAX_WAITING_UNITS: usize = 64;

/// Why an access unit gave no picture.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum H264Error {
    /// openh264 cannot be started, for one because memory is short.
    #[error("the decoder could not be started: {0}")]
    Start(String),
    /// It is damaged, or one that it refers to is; openh264's words.
    #[error("{0}")]
    Damaged(String),
    /// There is no picture in it.
    #[error("the access unit is empty: it was damaged before it was sent, or given up on the way")]
    Empty,
    /// What it refers to was given up.
    #[error("no keyframe has come since the stream began or broke off")]
    NoKeyframe,
    /// A kind of H.264 that is left out.
    #[error("{0} is not decoded here; send the video as JPEG")]
    Unsupported(String),
    /// The decoder took it and gave nothing back.
    #[error("the decoder gave no picture for it")]
    NoPicture,
    /// Its picture's turn was over, or another has the same place in presentation order.
    #[error("its place in presentation order is taken")]
    OutOfTurn,
    /// The picture cannot be had, for one because memory is short.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// What became of an access unit.
#[derive(Debug)]
pub struct DecodedUnit {
    /// As in the access unit.
    pub presentation_index: u64,
    /// As in the access unit.
    pub pts: Duration,
    /// As in the access unit.
    pub duration: Duration,
    /// The picture.
    pub picture: Result<Picture, H264Error>,
}

/// A decoder of one stream of access units. It runs on the caller's thread.
///
/// A unit that ends its sequence ([`AccessUnit::ends_sequence`]) lets go of all that went before, and so does a keyframe;
/// a unit of no bytes, which may have ended a sequence, does too and may cost the rest of it. Holds at most 17 pictures beside openh264's own, and 64 units' times.
pub struct H264Decoder {
    /// `None` once it was flushed.
    decoder: Option<Decoder>,
    pool: FramePool,
    range: ColorRange,
    /// What keeps the present stream from being decoded.
    obstacle: Option<String>,
    /// The presentation index that leaves next; `None` until a unit has come.
    next: Option<u64>,
    waiting: BTreeMap<u64, Waiting>,
}

/// A unit that went in and whose turn to leave has not come.
struct Waiting {
    pts: Duration,
    duration: Duration,
    outcome: Option<Result<Picture, H264Error>>,
}

impl H264Decoder {
    /// A decoder whose pictures come from `pool`.
    ///
    /// # Errors
    /// [`H264Error::Start`].
    pub fn new(pool: FramePool) -> Result<Self, H264Error> {
        Ok(Self {
            decoder: Some(Decoder::new().map_err(H264Error::Start)?),
            pool,
            range: ColorRange::Limited,
            obstacle: None,
            next: None,
            waiting: BTreeMap::new(),
        })
    }

    /// Whether a unit of that presentation index has gone in and its outcome is still to come.
    #[must_use]
    pub fn awaits(&self, presentation_index: u64) -> bool {
        self.waiting.contains_key(&presentation_index)
    }

    /// Decodes a unit. What leaves by it, in presentation order: none, this one, or others as well.
    pub fn decode(&mut self, unit: &AccessUnit) -> Vec<DecodedUnit> {
        let mut left = Vec::new();
        if unit.keyframe && !self.waiting.is_empty() {
            // Its sequence did not say that it ended.
            self.complete();
            self.leave(&mut left, true);
        }
        if unit.keyframe {
            self.next = Some(unit.presentation_index.max(self.next.unwrap_or(0)));
        }
        let at = unit.presentation_index;
        let next = *self.next.get_or_insert(at);
        if at < next || self.waiting.contains_key(&at) {
            left.push(DecodedUnit {
                presentation_index: at,
                pts: unit.pts,
                duration: unit.duration,
                picture: Err(H264Error::OutOfTurn),
            });
            return left;
        }
        self.waiting.insert(
            at,
            Waiting {
                pts: unit.pts,
                duration: unit.duration,
                outcome: None,
            },
        );
        self.put_in(unit);
        if unit.ends_sequence() || unit.payload.is_empty() {
            self.complete();
        } else {
            self.give_up_what_holds_too_much();
        }
        self.leave(&mut left, false);
        left
    }

    /// No unit follows: every outcome still to come. Afterwards it can be used for another stream.
    pub fn flush(&mut self) -> Vec<DecodedUnit> {
        let mut left = Vec::new();
        self.complete();
        self.leave(&mut left, true);
        self.next = None;
        left
    }

    fn put_in(&mut self, unit: &AccessUnit) {
        let at = unit.presentation_index;
        if !self.read_up_to_slice(&unit.payload) {
            return self.settle(at, Err(H264Error::Empty));
        }
        if let Some(obstacle) = &self.obstacle {
            let error = H264Error::Unsupported(obstacle.clone());
            return self.settle(at, Err(error));
        }
        if self.decoder.is_none() && unit.keyframe {
            match Decoder::new() {
                Ok(decoder) => self.decoder = Some(decoder),
                Err(reason) => return self.settle(at, Err(H264Error::Start(reason))),
            }
        }
        let Some(decoder) = &mut self.decoder else {
            return self.settle(at, Err(H264Error::NoKeyframe));
        };
        let outcome = decoder.decode(&unit.payload, at);
        let error = outcome.error;
        let picture = outcome
            .picture
            .map(|decoded| (decoded.tag, copied(&self.pool, self.range, &decoded)));
        let own_picture = picture.as_ref().is_some_and(|(of, _)| *of == at);
        if let Some((of, picture)) = picture {
            self.settle(of, picture);
        }
        if let Some(reason) = error
            && !own_picture
        {
            self.settle(at, Err(H264Error::Damaged(reason)));
        }
    }

    /// Reads what comes before the first slice. `false`: there is none.
    fn read_up_to_slice(&mut self, annex_b: &[u8]) -> bool {
        for nal in split_annex_b(annex_b) {
            if is_slice(nal) {
                return true;
            }
            if is_sps(nal) {
                self.read_parameters(nal);
            }
        }
        false
    }

    fn read_parameters(&mut self, sps: &[u8]) {
        let Some(sps) = Sps::parse(sps) else {
            return;
        };
        self.range = sps.range();
        let too_large = PictureSize::new(sps.width, sps.height).err();
        let obstacle = sps.obstacle().or(too_large.map(|error| error.to_string()));
        self.obstacle = obstacle.map(|what| format!("H.264 {} ({what})", sps.profile_name()));
    }

    /// Notes what became of a unit, unless it was given up; a picture counts for more than an error.
    fn settle(&mut self, at: u64, outcome: Result<Picture, H264Error>) {
        if let Some(waiting) = self.waiting.get_mut(&at)
            && !matches!(waiting.outcome, Some(Ok(_)))
        {
            waiting.outcome = Some(outcome);
        }
    }

    /// Gets everything out of the decoder: what goes in next is a keyframe.
    fn complete(&mut self) {
        if let Some(mut decoder) = self.decoder.take() {
            let mut flushed = Vec::new();
            while let Some(decoded) = decoder.flush() {
                let picture = copied(&self.pool, self.range, &decoded);
                flushed.push((decoded.tag, picture));
            }
            if flushed.is_empty() {
                self.decoder = Some(decoder);
            }
            for (of, picture) in flushed {
                self.settle(of, picture);
            }
        }
        for waiting in self.waiting.values_mut() {
            waiting.outcome.get_or_insert(Err(H264Error::NoPicture));
        }
    }

    /// When so many later ones are there, the one awaited will not come.
    fn give_up_what_holds_too_much(&mut self) {
        let pictures = self.waiting.values();
        let pictures = pictures.filter(|it| matches!(it.outcome, Some(Ok(_))));
        if pictures.count() < MAX_HELD_PICTURES && self.waiting.len() < MAX_WAITING_UNITS {
            return;
        }
        let Some(mut first) = self.waiting.first_entry() else {
            return;
        };
        self.next = Some(*first.key());
        first
            .get_mut()
            .outcome
            .get_or_insert(Err(H264Error::NoPicture));
    }

    /// Lets go of what is next in presentation order and has its outcome; `over_gaps`, whatever has not come before it.
    fn leave(&mut self, left: &mut Vec<DecodedUnit>, over_gaps: bool) {
        while let Some(first) = self.waiting.first_entry()
            && (over_gaps || self.next == Some(*first.key()))
            && first.get().outcome.is_some()
        {
            let (presentation_index, waiting) = first.remove_entry();
            self.next = Some(presentation_index + 1);
            left.push(DecodedUnit {
                presentation_index,
                pts: waiting.pts,
                duration: waiting.duration,
                picture: waiting.outcome.unwrap_or(Err(H264Error::NoPicture)),
            });
        }
    }
}

fn copied(
    pool: &FramePool,
    range: ColorRange,
    decoded: &Decoded<'_>,
) -> Result<Picture, H264Error> {
    Ok(to_picture(pool, range, decoded)?)
}
