//! What both ends of a processing link agree upon: the channels' names and the query of `POST /whip/frames`.
//!
//! A link outlives its sessions. The query names it, so that a session after a cut, or a further lane, joins what is
//! there (`attach`), and a worker that knows nothing of it (404) is told where to start.

use datachannel_transport::ResumePoint;
use media_source::MAX_REORDERED_UNITS;
use serde::{Deserialize, Serialize};

/// The channel that carries frames up (docs/wire.md, or text messages: docs/json-protocol.md).
pub(crate) const FRAMES_LABEL: &str = "upstream_frames";
/// The channel that carries one result per frame down.
pub(crate) const RESULTS_LABEL: &str = "inference";
/// The sub-protocol of a results channel that is a link itself (docs/wire.md): each result is an opaque frame, acknowledged
/// and sent again like any other. A results channel without it gets each result as a text message.
pub(crate) const RESULTS_PROTOCOL: &str = "frameway.results.1";
/// The channel that carries processed frames down, where the query asks for `pictures`.
pub(crate) const PICTURES_LABEL: &str = "processed_frames";
/// Its sub-protocol: a link (docs/wire.md) numbered as the results are, a JPEG or an H.264 access unit in each frame; an empty opaque frame where
/// the result says why there is no picture.
pub(crate) const PICTURES_PROTOCOL: &str = "frameway.frames.1";
/// The largest processed frame, encoded.
pub(crate) const MAX_PICTURE_BYTES: u32 = 32 << 20;
/// Where a link is opened.
pub(crate) const OFFER_PATH: &str = "/whip/frames";
/// Where the lanes of a link that is done are given to the next one, with that one's query and `after`.
pub(crate) const NEXT_PATH: &str = "/whip/frames/next";
/// Where a lane of a link is opened that goes by WebTransport, with the same query; answered by [`QuicPlace`](crate::lanes::seat::QuicPlace).
pub(crate) const QUIC_PATH: &str = "/lanes/webtransport";
/// Where a lane of a link is opened that is a WebSocket, with the same query.
pub(crate) const SOCKET_PATH: &str = "/lanes/websocket";

/// Lanes of one link by the sender's count: 16 sessions of data channels, and one of each other kind.
pub(crate) const MAX_LANES: u8 = 18;
/// The number of the QUIC lane.
pub(crate) const QUIC_LANE: u8 = 16;
/// The number of the WebSocket lane.
pub(crate) const SOCKET_LANE: u8 = 17;

/// Access units that may be under way at least: those shown after the next frame that are decoded before it, and as many
/// again that a decoder keeps back. With fewer, worker and sender would wait for each other.
pub(crate) const MIN_UNITS_WINDOW: u32 = 2 * MAX_REORDERED_UNITS as u32 + 8;

/// In which order and with what promise frames travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessMode {
    /// Each frame, in order, with exactly one result.
    #[default]
    EveryFrame,
    /// The newest frame wins; what is dropped is counted.
    Realtime,
}

/// How processed frames travel back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureEncoding {
    /// A JPEG each.
    #[default]
    Jpeg,
    /// H.264 access units (Annex B) in frame order, encoded by the worker: with those before it each is a picture.
    H264,
}

/// The query of `POST /whip/frames`. All of it may be left out: such a link lives as long as its session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LinkQuery {
    /// Names the link among all of its sender's and other senders'; random. Decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<u64>,
    /// The link's epoch (docs/wire.md).
    pub(crate) epoch: u32,
    /// Which of the link's lanes this session is; one of the same number is replaced. 0–17.
    pub(crate) lane: u8,
    /// Join the link, which must exist: 404 else.
    pub(crate) attach: bool,
    /// The epoch that the link had for the video before, whose lanes this one takes over; of [`NEXT_PATH`] alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<u32>,
    pub(crate) mode: ProcessMode,
    /// Where a new link starts: everything before has its result.
    pub(crate) next_sequence: u64,
    /// Payload bytes before that.
    pub(crate) bytes: u64,
    /// The hash chain before that.
    pub(crate) hash: u64,
    /// `all` (default), `none`, or names of fields, comma separated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_output: Option<String>,
    /// Processed frames come back too, of this quality, 1–100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pictures: Option<u8>,
    /// As what.
    pub(crate) picture_encoding: PictureEncoding,
    /// The sender has all there is of the frames below, and drops what comes of them again: pictures that refer to
    /// others must not refer to these.
    pub(crate) answered: u64,
}

impl LinkQuery {
    /// Where frames of a new link start.
    pub(crate) fn resume(&self) -> ResumePoint {
        ResumePoint {
            next_sequence: self.next_sequence,
            bytes: self.bytes,
            hash: self.hash,
        }
    }

    /// The same as the text behind `?`.
    pub(crate) fn to_query(&self) -> String {
        let fields = serde_json::to_value(self).unwrap_or_default();
        let pairs = fields.as_object().into_iter().flatten();
        let pairs = pairs.map(|(name, value)| match value {
            serde_json::Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        });
        pairs.collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_back_as_it_was_written() {
        let query = LinkQuery {
            link: Some(u64::MAX),
            epoch: 7,
            lane: 3,
            attach: true,
            after: Some(6),
            mode: ProcessMode::Realtime,
            next_sequence: 12,
            bytes: 1 << 40,
            hash: u64::MAX - 1,
            data_output: Some("stats,dhash".to_owned()),
            pictures: Some(85),
            picture_encoding: PictureEncoding::H264,
            answered: 13,
        };
        let uri: http::Uri = format!("http://h/?{}", query.to_query()).parse().unwrap();
        let read: axum::extract::Query<LinkQuery> =
            axum::extract::Query::try_from_uri(&uri).unwrap();
        assert_eq!(read.0, query);
    }
}
