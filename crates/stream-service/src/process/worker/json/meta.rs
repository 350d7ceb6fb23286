//! What is known of a frame beside its bytes.
//!
//! Fed with what its chunks say, in whichever order they come: the first word on a field stands. Feeds the whole frame.

use std::time::Duration;

use frame_pipeline::FrameKind;

use super::fault::Fault;
use super::limits::MAX_SIDE;
use super::message::{ChunkMeta, TimeBase};

/// The clock of video in RTP (RFC 3551 §5), and so of frames in aiortc: what `pts` counts where nothing else is said.
const DEFAULT_TIME_BASE_SECONDS: f64 = 1.0 / 90_000.0;

/// A frame's times, size and kind.
#[derive(Debug, Default)]
pub(super) struct FrameMeta {
    pts: Option<f64>,
    time_base: Option<TimeBase>,
    timestamp_ms: Option<f64>,
    fps: Option<f64>,
    kind: Option<FrameKind>,
    width: Option<u32>,
    height: Option<u32>,
}

impl FrameMeta {
    /// Adds what another chunk says.
    ///
    /// # Errors
    /// [`Fault`]: an encoding that is not known, a side out of range.
    pub(super) fn absorb(&mut self, said: &ChunkMeta) -> Result<(), Fault> {
        self.pts = self.pts.or(said.pts);
        self.timestamp_ms = self.timestamp_ms.or(said.timestamp_ms);
        self.fps = self.fps.or(said.fps);
        if self.time_base.is_none() {
            self.time_base.clone_from(&said.time_base);
        }
        // Some clients name the text's encoding here, which is always this one.
        let encoding = said.encoding.as_ref().filter(|name| *name != "base64");
        if let Some(name) = encoding {
            let kind = kind_of(name).ok_or_else(|| Fault::UnknownEncoding(name.clone()))?;
            self.kind = self.kind.or(Some(kind));
        }
        let (width, height) = (said.width.unwrap_or(0), said.height.unwrap_or(0));
        let (Some(wide), Some(high)) = (side(width), side(height)) else {
            return Err(Fault::BadDimensions { width, height });
        };
        self.width = self.width.or(said.width.and(Some(wide)));
        self.height = self.height.or(said.height.and(Some(high)));
        Ok(())
    }

    pub(super) fn kind(&self) -> FrameKind {
        self.kind.unwrap_or(FrameKind::Jpeg)
    }

    /// 0 where nothing was said.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width.unwrap_or(0), self.height.unwrap_or(0))
    }

    /// Since the stream's start; zero where nothing, or nothing possible, was said.
    pub(super) fn pts(&self) -> Duration {
        let seconds = match (self.pts, self.timestamp_ms) {
            (Some(pts), _) => pts * self.time_base_seconds(),
            (None, Some(ms)) => ms / 1000.0,
            (None, None) => 0.0,
        };
        // To the microsecond: results count in them, and fractions of 90 kHz fall between. `as` ends at u64's ends.
        Duration::from_micros((seconds * 1e6).round() as u64)
    }

    /// How long the frame lasts by its client's word; zero where it said nothing.
    pub(super) fn duration(&self) -> Duration {
        let fps = self.fps.filter(|fps| *fps > 0.0);
        fps.and_then(|fps| Duration::try_from_secs_f64(1.0 / fps).ok())
            .unwrap_or_default()
    }

    fn time_base_seconds(&self) -> f64 {
        let fraction = |over: f64, under: f64| over / under;
        let seconds = match &self.time_base {
            None => None,
            Some(TimeBase::Seconds(seconds)) => Some(*seconds),
            Some(TimeBase::Fraction([over, under])) => Some(fraction(*over, *under)),
            Some(TimeBase::Text(text)) => match text.split_once('/') {
                Some((over, under)) => over.trim().parse().ok().zip(under.trim().parse().ok()),
                None => text.trim().parse().ok().zip(Some(1.0)),
            }
            .map(|(over, under)| fraction(over, under)),
        };
        seconds
            .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
            .unwrap_or(DEFAULT_TIME_BASE_SECONDS)
    }
}

fn side(pixels: u64) -> Option<u32> {
    u32::try_from(pixels).ok().filter(|side| *side <= MAX_SIDE)
}

fn kind_of(name: &str) -> Option<FrameKind> {
    match name.to_ascii_lowercase().as_str() {
        "jpeg" | "jpg" | "mjpeg" | "image/jpeg" => Some(FrameKind::Jpeg),
        "raw_i420" | "i420" | "yuv420p" => Some(FrameKind::I420),
        "bgr" | "bgr24" | "raw_bgr" => Some(FrameKind::Bgr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(fields: &str) -> Result<FrameMeta, Fault> {
        let mut meta = FrameMeta::default();
        meta.absorb(&serde_json::from_str(fields).unwrap())?;
        Ok(meta)
    }

    #[test]
    fn times_are_read_in_every_form() {
        for (fields, micros) in [
            ("{}", 0),
            (r#"{"pts":3003}"#, 33_367),
            (r#"{"pts":3003,"time_base":"1/90000"}"#, 33_367),
            (r#"{"pts":1001,"time_base":[1,30000]}"#, 33_367),
            (r#"{"pts":40,"time_base":0.001}"#, 40_000),
            (r#"{"pts":40,"time_base":"0.001","timestamp_ms":7}"#, 40_000),
            (r#"{"timestamp_ms":33.366}"#, 33_366),
            (r#"{"timestamp_ms":1763755619123}"#, 1_763_755_619_123_000),
            (r#"{"pts":90000,"time_base":"1/0"}"#, 1_000_000),
            (r#"{"pts":90000,"time_base":"nonsense"}"#, 1_000_000),
            (r#"{"pts":-5}"#, 0),
            (r#"{"pts":1e300}"#, u64::MAX),
        ] {
            let pts = meta(fields).unwrap().pts();
            assert_eq!(pts, Duration::from_micros(micros), "{fields}");
        }
    }

    #[test]
    fn the_first_word_on_a_field_stands() {
        let mut known = meta(r#"{"width":640,"encoding":"I420","fps":25}"#).unwrap();
        let later = serde_json::from_str(r#"{"width":1,"height":480,"encoding":"bgr"}"#).unwrap();
        known.absorb(&later).unwrap();
        assert_eq!((known.size(), known.kind()), ((640, 480), FrameKind::I420));
        assert_eq!(known.duration(), Duration::from_millis(40));
        assert_eq!(meta(r#"{"fps":0}"#).unwrap().duration(), Duration::ZERO);
    }

    #[test]
    fn a_side_and_an_encoding_are_checked() {
        assert_eq!(meta(r#"{"width":16384}"#).unwrap().size(), (16_384, 0));
        let code = |fields| meta(fields).unwrap_err().code();
        assert_eq!(code(r#"{"width":16385}"#), "bad_dimensions");
        assert_eq!(code(r#"{"height":4294967296}"#), "bad_dimensions");
        assert_eq!(code(r#"{"encoding":"png"}"#), "unknown_encoding");
        let kind = meta(r#"{"encoding":"base64"}"#).unwrap().kind();
        assert_eq!(kind, FrameKind::Jpeg);
    }
}
