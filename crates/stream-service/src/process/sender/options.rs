//! What is sent, to whom, and what came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datachannel_transport::TimingSummary;
use progressive_loader::driver::OpenOptions;
use quic_session::CongestionControl;
use serde::{Deserialize, Serialize};

use crate::lanes::choice::{ChoiceReason, LaneKind};
use crate::process::protocol::{PictureEncoding, ProcessMode};

/// How a frame's picture travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PayloadEncoding {
    /// One JPEG per frame, 4:2:0.
    #[default]
    Jpeg,
    /// I420 planes without padding, full range: 1.5 bytes a pixel.
    Raw,
    /// Rows of blue, green and red from the top, without padding: 3 bytes a pixel.
    Bgr,
    /// The video's own H.264 access units, not encoded again; the worker decodes them. Every-frame mode only.
    Source,
    /// H.264 that is encoded here, one quantiser for all frames, a keyframe every 60; the worker decodes it. Every-frame
    /// mode only.
    H264,
}

impl PayloadEncoding {
    /// Whether access units travel, which a decoder needs all of.
    #[must_use]
    pub fn is_access_units(self) -> bool {
        matches!(self, Self::Source | Self::H264)
    }
}

/// What comes back for each frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessOutput {
    /// Its result.
    #[default]
    Data,
    /// The processed frame; the result says no more than whether there was an error.
    Video,
    /// Both.
    Both,
}

impl ProcessOutput {
    /// Whether processed frames come back.
    #[must_use]
    pub fn has_pictures(self) -> bool {
        self != Self::Data
    }
}

/// What carries the frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LaneWish {
    /// What works best: QUIC where the worker serves it; data channels, one session or eight where the round trip is 5 ms
    /// or more; a WebSocket where nothing else gets through.
    #[default]
    Auto,
    /// So many sessions of data channels, 1–16.
    Data(u8),
    /// QUIC, by WebTransport.
    Quic,
    /// A WebSocket.
    WebSocket,
}

/// What [`send`](super::send) tells how far it is.
pub type OnProgress = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Settings of [`send`](super::send).
#[derive(Clone)]
pub struct SendOptions {
    /// The worker's address, for example `http://127.0.0.1:8090`.
    pub to: String,
    /// The video: a path, `file:`, `ipfs://CID`, `http(s)://`, `test:`, or `opaque:?bytes=100000&frames=2000`.
    pub input: String,
    /// How pictures travel. Default JPEG.
    pub encoding: PayloadEncoding,
    /// Quality of JPEG, and of H.264 that is encoded here. Default 85, range 1–100.
    pub quality: u8,
    /// What carries the frames. Default what works best.
    pub lanes: LaneWish,
    /// How a QUIC lane decides what may be in flight. Default fair.
    pub congestion: CongestionControl,
    /// Every frame (default), or the newest.
    pub mode: ProcessMode,
    /// What comes back. Default the results alone.
    pub output: ProcessOutput,
    /// How the processed frames travel back. Default JPEG.
    pub output_encoding: PictureEncoding,
    /// Quality of the processed frames. Default 85, range 1–100.
    pub output_quality: u8,
    /// JPEG: the folder for the processed frames, `00000042.jpg` is that of frame 42; made where it is missing. H.264: the
    /// file for their stream (Annex B). Default: they are counted and dropped.
    pub pictures: Option<PathBuf>,
    /// Which fields of the results come back: `all` (default), `none`, or names with commas between.
    pub data_output: Option<String>,
    /// Where results are written, one JSON object a line.
    pub results: Option<PathBuf>,
    /// Where it is written what became of each frame; an unfinished one is continued.
    pub ledger: Option<PathBuf>,
    /// A video whose ledger has its end is not sent again, and not compared with what the ledger says of it. Default: it
    /// is read to its end once more, and its last frame compared.
    pub skip_finished: bool,
    /// How the input is opened, and where CIDs are looked up. Default: nowhere. Videos that are sent with clones of
    /// [connected](OpenOptions::connect) ones share the cache and what is known of the daemons and gateways.
    pub open: OpenOptions,
    /// The worker's bearer token.
    pub token: Option<String>,
    /// Authorities whose certificates are taken at `https://`, beside those that the system trusts: DER, as
    /// [`read_authorities`](crate::read_authorities) reads them from a file. Default: none.
    pub authorities: Vec<Vec<u8>>,
    /// How long the worker may be away before the first connection. Default 10 s.
    pub connect_timeout: Duration,
    /// How long it may be away later. Default 5 min.
    pub give_up_after: Duration,
    /// Frames that may wait or be under way. Default 280, range 1–4,096; access units 40–3,072. On a short path fewer
    /// do: 24 more than may be under way.
    pub max_held_frames: usize,
    /// Their payload bytes. Default 32 MiB, range 1 B–4 GiB. The sender's memory bound; access units take 32 MiB more, for
    /// what a new worker needs from the keyframe on.
    pub max_held_bytes: u64,
    /// Called about ten times a second, and at the end.
    pub on_progress: Option<OnProgress>,
}

impl SendOptions {
    /// The defaults.
    #[must_use]
    pub fn new(to: impl Into<String>, input: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            input: input.into(),
            encoding: PayloadEncoding::Jpeg,
            quality: 85,
            lanes: LaneWish::Auto,
            congestion: CongestionControl::default(),
            mode: ProcessMode::EveryFrame,
            output: ProcessOutput::Data,
            output_encoding: PictureEncoding::default(),
            output_quality: 85,
            pictures: None,
            data_output: None,
            results: None,
            ledger: None,
            skip_finished: false,
            open: OpenOptions::default(),
            token: None,
            authorities: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            give_up_after: Duration::from_secs(300),
            max_held_frames: 280,
            max_held_bytes: 32 << 20,
            on_progress: None,
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Frames of the video, where it says.
    pub frames_total: Option<u64>,
    /// Frames read from it, those of an earlier run included.
    pub frames_read: u64,
    /// Frames whose result is here, those of an earlier run included.
    pub results: u64,
    /// Of these, with errors.
    pub errors: u64,
    /// Realtime: frames dropped.
    pub dropped: u64,
    /// Payload bytes acknowledged in this run.
    pub bytes: u64,
    /// Seconds since this run began.
    pub seconds: f64,
    /// Results a second over the last two seconds.
    pub fps: f64,
    /// Lanes that are up.
    pub lanes: usize,
    /// What carries the frames now.
    pub carrier: Option<LaneKind>,
    /// Why.
    pub carrier_because: Option<ChoiceReason>,
    /// Frames under way or waiting.
    pub held: usize,
    /// Times that the link was made anew or a lane replaced.
    pub resumed: u64,
    /// Ping → pong, ms.
    pub round_trip_ms: Option<f64>,
}

/// What came of it: the last line that `frame-sender` prints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Frames read from the video, those of an earlier run that this one continued included.
    pub frames: u64,
    /// Frames sent whole at least once.
    pub sent: u64,
    /// Frames that the worker confirmed.
    pub acked: u64,
    /// Results written down.
    pub results: u64,
    /// Processed frames that came back.
    pub pictures: u64,
    /// Results with errors, and frames that could not be read.
    pub errors: u64,
    /// Frames without a result that were not dropped on purpose.
    pub lost: u64,
    /// Results beyond one per frame.
    pub duplicated: u64,
    /// Results that came a second time, because their worker died before it knew that they had arrived, or decoding had to
    /// begin again at the keyframe before the first that is missing; not counted twice.
    pub repeated: u64,
    /// Realtime: dropped for newer ones, each in the ledger.
    pub dropped: u64,
    /// Times that the link was made anew, a lane replaced, or an earlier run continued.
    pub resumed: u64,
    /// What carried the frames at the end.
    pub carrier: Option<LaneKind>,
    /// Times that another kind of lane took over.
    pub carrier_changes: u64,
    /// Connections opened for this video, those of lost ones included; 0: it went over those of the video before.
    pub lanes_opened: u64,
    /// Payload bytes acknowledged.
    pub bytes: u64,
    /// From the first frame offered to the end.
    pub seconds: f64,
    /// Results of this run a second.
    pub fps: f64,
    /// Percentiles over the latest 256 frames of each stage.
    pub timing: SendTiming,
    /// Whether both ends' count and hash of all frames agree.
    pub verified: bool,
    /// Whether the video was read to its end.
    pub complete: bool,
}

/// How long a frame spends where, ms.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SendTiming {
    /// Reading it: decoding and encoding.
    pub read_ms: TimingSummary,
    /// From there until its last chunk is handed to a lane.
    pub send_ms: TimingSummary,
    /// From there until the worker has it whole.
    pub ack_ms: TimingSummary,
}

impl Summary {
    /// Each frame has exactly one result, or was dropped as realtime does.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.verified && self.complete
    }
}
