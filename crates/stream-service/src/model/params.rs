//! What a client may ask of a stream, checked against its ranges before anything is started.
//!
//! Fed by the JSON bodies of `POST` and `PATCH /api/v1/streams`; feeds [`super::registry`].

use std::ops::RangeInclusive;

use jpeg_optimizer::Bitrate;
use serde::{Deserialize, Serialize};

use super::quality::QualityChoice;

/// Frames the ring may hold: 1–120, 30 by default.
pub const BUFFER_SIZE_FRAMES: RangeInclusive<u64> = 1..=120;
/// Share of the ring that must be filled before playback starts: 0.1–0.9, 0.5 by default.
pub const PREFETCH_THRESHOLD: RangeInclusive<f64> = 0.1..=0.9;
/// Width and height of a rendition, in luma samples.
pub const SIDE_PIXELS: RangeInclusive<u64> = 16..=8192;
/// Frames a second that a stream may be limited to.
pub const FRAME_RATE: RangeInclusive<f64> = 0.1..=240.0;
/// The most ICE servers one stream names to its viewers.
pub(crate) const MAX_ICE_SERVERS: usize = 8;
/// The longest URI, name or ICE URL, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 2048;

/// An ICE server as WebRTC's `RTCIceServer` dictionary names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// One or several `stun:`, `turn:` or `turns:` URLs.
    #[serde(deserialize_with = "one_or_many")]
    pub urls: Vec<String>,
    /// TURN user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(d)? {
        OneOrMany::One(url) => vec![url],
        OneOrMany::Many(urls) => urls,
    })
}

/// The body of `POST /api/v1/streams`, as it arrives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateStream {
    /// A CID in the embedded store; the same as `uri: "ipfs://CID"`.
    pub cid: Option<String>,
    /// Any source URI.
    pub uri: Option<String>,
    /// What the stream is called; its id is made from it. Default: the last part of the URI.
    pub name: Option<String>,
    /// `low`, `medium`, `high` or `auto`. Default `auto`.
    pub quality: Option<String>,
    /// The most that each viewer at `auto` gets, in kbit/s.
    pub kbps: Option<serde_json::Number>,
    /// Rendition width; needs `height`, or keeps the aspect ratio.
    pub width: Option<serde_json::Number>,
    /// Rendition height; needs `width`, or keeps the aspect ratio.
    pub height: Option<serde_json::Number>,
    /// The most frames a second to deliver.
    pub framerate: Option<f64>,
    /// Ring size, frames.
    pub buffer_size: Option<serde_json::Number>,
    /// Share of the ring filled before playback starts.
    pub prefetch_threshold: Option<f64>,
    /// Play while loading (default), or load the whole content first.
    pub use_progressive_loading: Option<bool>,
    /// ICE servers named to viewers.
    pub ice_servers: Option<Vec<IceServer>>,
    /// Play whether or not anybody watches, and encode each frame.
    pub benchmark: Option<bool>,
    /// Start again at the end.
    #[serde(rename = "loop")]
    pub looping: Option<bool>,
}

/// The body of `PATCH /api/v1/streams/{id}`: what changes while the stream plays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchStream {
    /// New ring size, frames.
    pub buffer_size: Option<serde_json::Number>,
    /// New share of the ring.
    pub prefetch_threshold: Option<f64>,
    /// New quality.
    pub quality: Option<String>,
    /// New target of each viewer at `auto`, in kbit/s; `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    pub kbps: Option<Option<serde_json::Number>>,
}

/// What stands there, `null` too, is told from what does not.
fn given<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> Result<Option<Option<serde_json::Number>>, D::Error> {
    Option::deserialize(d).map(Some)
}

/// A request that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamParams {
    /// The source's URI, as given.
    pub uri: String,
    /// What the stream is called.
    pub name: String,
    /// Quality for viewers that name none.
    pub quality: QualityChoice,
    /// The most that each viewer at `auto` gets; default `None`: what its link carries.
    pub kbps: Option<Bitrate>,
    /// Rendition width in luma samples, if not the source's.
    pub width: Option<u32>,
    /// Rendition height in luma samples, if not the source's.
    pub height: Option<u32>,
    /// The most frames a second to deliver, if limited.
    pub framerate: Option<f64>,
    /// Ring size, frames.
    pub buffer_size: usize,
    /// Share of the ring filled before playback starts.
    pub prefetch_threshold: f64,
    /// Play while loading.
    pub use_progressive_loading: bool,
    /// ICE servers named to viewers.
    pub ice_servers: Vec<IceServer>,
    /// Play whether or not anybody watches.
    pub benchmark: bool,
    /// Start again at the end.
    pub looping: bool,
}

/// A checked [`PatchStream`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StreamChange {
    /// New ring size, frames.
    pub buffer_size: Option<usize>,
    /// New share of the ring.
    pub prefetch_threshold: Option<f64>,
    /// New quality.
    pub quality: Option<QualityChoice>,
    /// New target; `Some(None)` takes it away.
    pub kbps: Option<Option<Bitrate>>,
}

/// A parameter that cannot be taken; says which, why, and what can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}; accepted: {accepted}")]
pub struct ParamError {
    /// The field's name in the request.
    pub field: &'static str,
    /// What is wrong with the value.
    pub problem: String,
    /// The range or form that is accepted.
    pub accepted: String,
}

impl ParamError {
    fn new(field: &'static str, problem: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
            accepted: accepted.into(),
        }
    }
}

impl StreamParams {
    /// A stream of `uri` with every default.
    #[must_use]
    pub fn new(name: impl Into<String>, uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            quality: QualityChoice::Auto,
            kbps: None,
            width: None,
            height: None,
            framerate: None,
            buffer_size: 30,
            prefetch_threshold: 0.5,
            use_progressive_loading: true,
            ice_servers: Vec::new(),
            benchmark: false,
            looping: false,
        }
    }
}

impl TryFrom<CreateStream> for StreamParams {
    type Error = ParamError;

    fn try_from(request: CreateStream) -> Result<Self, ParamError> {
        let uri = source_uri(request.uri, request.cid)?;
        let name = match request.name {
            Some(name) => checked_name(name)?,
            None => name_of(&uri),
        };
        let defaults = Self::new(name, uri);
        Ok(Self {
            quality: parse_quality(request.quality.as_deref())?.unwrap_or(defaults.quality),
            kbps: request.kbps.as_ref().map(kbps_of).transpose()?,
            width: side("width", request.width.as_ref())?,
            height: side("height", request.height.as_ref())?,
            framerate: in_range("framerate", request.framerate, FRAME_RATE)?,
            buffer_size: buffer_size(request.buffer_size.as_ref())?.unwrap_or(defaults.buffer_size),
            prefetch_threshold: in_range(
                "prefetch_threshold",
                request.prefetch_threshold,
                PREFETCH_THRESHOLD,
            )?
            .unwrap_or(defaults.prefetch_threshold),
            use_progressive_loading: request.use_progressive_loading.unwrap_or(true),
            ice_servers: checked_ice_servers(request.ice_servers.unwrap_or_default())?,
            benchmark: request.benchmark.unwrap_or(false),
            looping: request.looping.unwrap_or(false),
            ..defaults
        })
    }
}

impl TryFrom<PatchStream> for StreamChange {
    type Error = ParamError;

    fn try_from(request: PatchStream) -> Result<Self, ParamError> {
        Ok(Self {
            buffer_size: buffer_size(request.buffer_size.as_ref())?,
            prefetch_threshold: in_range(
                "prefetch_threshold",
                request.prefetch_threshold,
                PREFETCH_THRESHOLD,
            )?,
            quality: parse_quality(request.quality.as_deref())?,
            kbps: request
                .kbps
                .map(|kbps| kbps.as_ref().map(kbps_of).transpose())
                .transpose()?,
        })
    }
}

fn source_uri(uri: Option<String>, cid: Option<String>) -> Result<String, ParamError> {
    const FORMS: &str =
        "a path or file:, ipfs://CID[/path], http(s)://… or test:?size=1280x720&fps=30";
    match (uri, cid) {
        (Some(_), Some(_)) => Err(ParamError::new(
            "cid",
            "given beside uri",
            "one of cid and uri",
        )),
        (None, None) => Err(ParamError::new(
            "uri",
            "missing",
            format!("cid, or uri: {FORMS}"),
        )),
        (Some(uri), None) if uri.trim().is_empty() => Err(ParamError::new("uri", "empty", FORMS)),
        (Some(uri), None) => checked_text("uri", uri),
        (None, Some(cid)) if cid.trim().is_empty() => Err(ParamError::new("cid", "empty", "a CID")),
        (None, Some(cid)) => Ok(format!("ipfs://{}", checked_text("cid", cid)?)),
    }
}

fn checked_text(field: &'static str, text: String) -> Result<String, ParamError> {
    if text.len() > MAX_TEXT_BYTES {
        let problem = format!("{} bytes long", text.len());
        return Err(ParamError::new(
            field,
            problem,
            format!("at most {MAX_TEXT_BYTES} bytes"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(ParamError::new(
            field,
            "has control characters",
            "printable text",
        ));
    }
    Ok(text)
}

fn checked_name(name: String) -> Result<String, ParamError> {
    let name = checked_text("name", name)?;
    if name.trim().is_empty() || name.chars().count() > 64 {
        return Err(ParamError::new(
            "name",
            format!("{} characters", name.chars().count()),
            "1–64 characters",
        ));
    }
    Ok(name)
}

/// What a stream is called whose creator gave no name: the last part of its URI.
#[must_use]
pub(crate) fn name_of(uri: &str) -> String {
    let path = uri
        .split(['?', '#'])
        .next()
        .unwrap_or(uri)
        .trim_end_matches('/');
    let last = path.rsplit(['/', ':']).next().unwrap_or(path);
    let name: String = if last.is_empty() {
        uri.split(':').next().unwrap_or("stream")
    } else {
        last
    }
    .chars()
    .take(64)
    .collect();
    if name.is_empty() {
        "stream".to_owned()
    } else {
        name
    }
}

fn parse_quality(text: Option<&str>) -> Result<Option<QualityChoice>, ParamError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(quality) => Ok(Some(quality)),
        Err(_) => Err(ParamError::new(
            "quality",
            format!("{text:?} is not a quality"),
            QualityChoice::ACCEPTED,
        )),
    }
}

fn kbps_of(number: &serde_json::Number) -> Result<Bitrate, ParamError> {
    parse_kbps(&number.to_string())
}

/// A target bitrate as `?kbps=` has it.
pub(crate) fn parse_kbps(text: &str) -> Result<Bitrate, ParamError> {
    let accepted = || {
        let (least, most) = (Bitrate::MIN.bps() / 1000, Bitrate::MAX.bps() / 1000);
        format!("a whole number of kbit/s, {least}–{most}")
    };
    let shown: String = text.chars().take(32).collect();
    let kbps: u64 = text
        .parse()
        .map_err(|_| ParamError::new("kbps", format!("{shown:?} is no such number"), accepted()))?;
    Bitrate::from_kbps(kbps)
        .map_err(|_| ParamError::new("kbps", format!("{kbps} is out of range"), accepted()))
}

fn whole(
    field: &'static str,
    value: Option<&serde_json::Number>,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, ParamError> {
    let Some(value) = value else { return Ok(None) };
    match value.as_u64().filter(|v| range.contains(v)) {
        Some(v) => Ok(Some(v)),
        None => Err(ParamError::new(
            field,
            format!("{value} is out of range"),
            format!("a whole number {}–{}", range.start(), range.end()),
        )),
    }
}

fn buffer_size(value: Option<&serde_json::Number>) -> Result<Option<usize>, ParamError> {
    Ok(whole("buffer_size", value, BUFFER_SIZE_FRAMES)?.map(|v| v as usize))
}

fn side(
    field: &'static str,
    value: Option<&serde_json::Number>,
) -> Result<Option<u32>, ParamError> {
    Ok(whole(field, value, SIDE_PIXELS)?.map(|v| v as u32))
}

fn in_range(
    field: &'static str,
    value: Option<f64>,
    range: RangeInclusive<f64>,
) -> Result<Option<f64>, ParamError> {
    match value {
        Some(v) if !range.contains(&v) => Err(ParamError::new(
            field,
            format!("{v} is out of range"),
            format!("{}–{}", range.start(), range.end()),
        )),
        other => Ok(other),
    }
}

fn checked_ice_servers(servers: Vec<IceServer>) -> Result<Vec<IceServer>, ParamError> {
    const FORM: &str = "at most 8 RTCIceServer, each {urls: \"stun:…\" | \"turn:…\" | \"turns:…\", username?, credential?}";
    if servers.len() > MAX_ICE_SERVERS {
        return Err(ParamError::new(
            "ice_servers",
            format!("{} of them", servers.len()),
            FORM,
        ));
    }
    for url in servers.iter().flat_map(|s| &s.urls) {
        let known = ["stun:", "stuns:", "turn:", "turns:"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let plain = url.len() <= 512
            && !url
                .chars()
                .any(|c| c.is_control() || matches!(c, '<' | '>' | '"' | ' '));
        if !known || !plain {
            return Err(ParamError::new(
                "ice_servers",
                format!("{url:?} is not an ICE URL"),
                FORM,
            ));
        }
    }
    if servers.iter().any(|s| s.urls.is_empty()) {
        return Err(ParamError::new(
            "ice_servers",
            "an entry without urls",
            FORM,
        ));
    }
    let odd = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|t| t.len() > 512 || t.chars().any(|c| c.is_control() || c == '"'))
    };
    if servers
        .iter()
        .any(|s| odd(&s.username) || odd(&s.credential))
    {
        return Err(ParamError::new(
            "ice_servers",
            "a username or credential with quotes or control characters",
            FORM,
        ));
    }
    Ok(servers)
}
