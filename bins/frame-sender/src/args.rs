//! The command line. What `--help` says is written here, once.

use std::path::PathBuf;
use std::time::Duration;

use bin_support::{IpfsArgs, default_store};
use clap::{Parser, ValueEnum};
use stream_service::{CongestionControl, UnknownControl};

/// Sends every frame of a video to a frame-worker and proves that each has one result.
///
/// The last line on stdout is the ledger's summary, as JSON. The loss of the connection or of the worker's process is
/// survived: what has no confirmed result is sent again. With --ledger, a run that was stopped or killed is continued where
/// it was by the same command.
///
/// Example: frame-sender --to http://127.0.0.1:8090 --input film.mp4 --results film.jsonl --ledger film.ledger
///
/// Several: frame-sender --to http://127.0.0.1:8090 --input clips/*.mp4 --results results --ledger ledgers
///
/// Exit codes: 0 each frame has exactly one result, 1 something was lost or failed (and was said), 2 bad usage.
#[derive(Debug, Parser)]
#[command(name = "frame-sender", version)]
pub(crate) struct Args {
    /// The worker's address, as frame-worker prints it
    #[arg(long, env = "FRAMEWAY_TO", value_name = "URL")]
    pub(crate) to: String,
    /// The video: a path, file:, ipfs://CID[/path], http(s)://…, test:?size=1280x720&fps=30&frames=300, or
    /// opaque:?bytes=100000&frames=2000 for measuring the path. Several (--input clips/*.mp4) go one after another over the
    /// same connections; --results, --ledger and --pictures are folders then
    #[arg(long, env = "FRAMEWAY_INPUT", value_name = "URI", num_args = 1.., required_unless_present = "inputs_from")]
    pub(crate) input: Vec<String>,
    /// File with one more input a line, - for stdin; empty lines and those that begin with # are passed over
    #[arg(long, env = "FRAMEWAY_INPUTS_FROM", value_name = "FILE")]
    pub(crate) inputs_from: Option<PathBuf>,
    /// How pictures travel
    #[arg(long, env = "FRAMEWAY_ENCODING", value_enum, default_value_t = Encoding::Jpeg)]
    pub(crate) encoding: Encoding,
    /// Quality of jpeg and h264, 1 to 100
    #[arg(long, env = "FRAMEWAY_QUALITY", value_name = "N", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: u8,
    /// What carries the frames: auto (QUIC; data channels where it does not pass, over eight peer connections where the
    /// round trip is 5 ms or more; a WebSocket where no UDP passes), data:N with N peer connections from 1 to 16, quic, or
    /// websocket
    #[arg(long, env = "FRAMEWAY_LANES", value_name = "LANES", default_value = "auto", value_parser = lanes)]
    pub(crate) lanes: Lanes,
    /// How QUIC decides what may be in flight: fair (a loss counts only where a queue stands), cubic, or bbr
    #[arg(long = "cc", env = "FRAMEWAY_CC", value_name = "CONTROL", default_value = "fair", value_parser = control)]
    pub(crate) congestion: CongestionControl,
    /// every-frame: each frame, in order, one result each; realtime: the newest wins, at the video's own rate
    #[arg(long, env = "FRAMEWAY_MODE", value_enum, default_value_t = Mode::EveryFrame)]
    pub(crate) mode: Mode,
    /// What comes back for each frame
    #[arg(long, env = "FRAMEWAY_OUTPUT", value_enum, default_value_t = Output::Data)]
    pub(crate) output: Output,
    /// How the processed frames come back
    #[arg(long, env = "FRAMEWAY_OUTPUT_ENCODING", value_enum, default_value_t = OutputEncoding::Jpeg)]
    pub(crate) output_encoding: OutputEncoding,
    /// Quality of the processed frames, 1 to 100
    #[arg(long, env = "FRAMEWAY_OUTPUT_QUALITY", value_name = "N", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) output_quality: u8,
    /// Where the processed frames of --output video or both go: a folder, in which 00000042.jpg is frame 42; with
    /// --output-encoding h264 a file, for example film.h264. Of several inputs a folder with one of these for each
    #[arg(long, env = "FRAMEWAY_PICTURES", value_name = "PATH")]
    pub(crate) pictures: Option<PathBuf>,
    /// Which fields of the results: all, none, or names with commas between
    #[arg(
        long,
        env = "FRAMEWAY_DATA_OUTPUT",
        value_name = "FIELDS",
        default_value = "all"
    )]
    pub(crate) data_output: String,
    /// Write each result here, one JSON object a line, in frame order; of several inputs a folder: film.mp4's are in
    /// film.mp4.jsonl
    #[arg(long, env = "FRAMEWAY_RESULTS", value_name = "FILE")]
    pub(crate) results: Option<PathBuf>,
    /// Write here what became of each frame, a JSON object a line; an unfinished one is continued. Of several inputs a
    /// folder: film.mp4's is film.mp4.ledger; those that have come to their end are not sent again
    #[arg(long, env = "FRAMEWAY_LEDGER", value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// What is shown on stderr while it runs; auto: a bar where stderr is a terminal
    #[arg(long, env = "FRAMEWAY_PROGRESS", value_enum, default_value_t = ProgressKind::Auto)]
    pub(crate) progress: ProgressKind,
    /// Print progress as JSON lines on stdout, before the summary
    #[arg(long)]
    pub(crate) json: bool,
    /// How long to wait for the worker at the start
    #[arg(long, env = "FRAMEWAY_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    /// How long the worker may be away later
    #[arg(long, env = "FRAMEWAY_GIVE_UP_AFTER", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) give_up_after: Duration,
    /// Folder of the embedded store, where CIDs are looked up
    #[arg(long, env = "FRAMEWAY_STORE", value_name = "DIR", default_value_os_t = default_store())]
    pub(crate) store: PathBuf,
    #[command(flatten)]
    pub(crate) ipfs: IpfsArgs,
    /// File whose first line is the worker's token
    #[arg(long, env = "FRAMEWAY_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities that are trusted at https:// beside the system's, where the worker's certificate is
    /// from a private one or signed by itself
    #[arg(long, env = "FRAMEWAY_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// One JPEG per frame
    Jpeg,
    /// I420 planes, full range, 1.5 bytes a pixel
    #[value(alias = "i420")]
    Raw,
    /// Rows of blue, green and red, 3 bytes a pixel
    Bgr,
    /// The video's own H.264 (in MP4) as it is, a third to a thirtieth of the bytes; the worker decodes it
    Source,
    /// H.264 encoded here, for a video that is none: some tenth of jpeg's bytes, for more CPU; the worker decodes it
    H264,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Each frame, in order, with exactly one result
    EveryFrame,
    /// The newest frame wins; drops are in the ledger
    Realtime,
}

/// How many lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lanes {
    Auto,
    Data(u8),
    Quic,
    WebSocket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Its result
    Data,
    /// The frame as the processors drew it; the result says no more than its errors
    Video,
    /// Both
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputEncoding {
    /// A JPEG each
    Jpeg,
    /// One stream of H.264, an access unit each
    H264,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    /// A bar on a terminal, else nothing
    Auto,
    /// A bar
    Bar,
    /// JSON lines
    Json,
    /// Nothing
    None,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write for example 250ms or 2s"))
}

fn lanes(text: &str) -> Result<Lanes, String> {
    let wrong = || format!("{text:?}: write auto, quic, websocket, or data:N with N from 1 to 16");
    match text.split_once(':') {
        None if text == "auto" => Ok(Lanes::Auto),
        None if text == "quic" => Ok(Lanes::Quic),
        None if text == "websocket" => Ok(Lanes::WebSocket),
        None if text == "data" => Ok(Lanes::Data(1)),
        Some(("data", count)) => match count.parse() {
            Ok(count @ 1..=16) => Ok(Lanes::Data(count)),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn control(text: &str) -> Result<CongestionControl, UnknownControl> {
    text.parse()
}
