//! What a person writes to name a video.
//!
//! Fed by a command line or a request; feeds [`driver::open`](crate::driver::open).

use std::fmt;
use std::str::FromStr;

use frame_buffer::PictureSize;
use progressive_loader::{Location, LocationError};

use crate::{DEFAULT_FRAME_RATE, OpenError, PatternOptions};

/// A video by its name.
///
/// ```
/// use media_source::VideoUri;
///
/// let pattern: VideoUri = "test:?size=640x360&fps=25".parse()?;
/// let VideoUri::Test(options) = pattern else { panic!("not a pattern") };
/// assert_eq!((options.size.width, options.fps), (640, 25.0));
/// assert!(matches!("clip.mp4".parse()?, VideoUri::Location(_)));
/// assert!("test:?size=huge".parse::<VideoUri>().is_err());
/// # Ok::<(), media_source::UriError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum VideoUri {
    /// The test pattern: `test:`, with `size=WxH`, `fps=N` and `frames=N` after a `?`.
    Test(PatternOptions),
    /// A file, a CID or a URL; a folder of this machine holds JPEGs, in the order of their names.
    Location(Location),
    /// A location whose frames have no rate of their own (a folder, a multipart dump, JPEGs), to be played
    /// at `fps`: a path or `file:` URI with `?fps=N` behind it. Content that has a rate keeps it.
    LocationAt {
        /// Where the content is.
        location: Location,
        /// Frames per second: 0.001 to 1000.
        fps: f64,
    },
}

impl VideoUri {
    /// Where the bytes are; `None` for the pattern.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Test(_) => None,
            Self::Location(location) | Self::LocationAt { location, .. } => Some(location),
        }
    }

    /// The rate for content that has none of its own, in frames per second.
    pub fn default_frame_rate(&self) -> f64 {
        match self {
            Self::LocationAt { fps, .. } => *fps,
            _ => DEFAULT_FRAME_RATE,
        }
    }
}

/// The text names no video.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// No location.
    #[error("{0}; test:?size=WxH&fps=N is the test pattern")]
    Location(#[from] LocationError),
    /// A parameter nobody knows.
    #[error("{uri:?}: unknown parameter {parameter:?}; accepted are {accepted}")]
    UnknownParameter {
        /// The whole text.
        uri: String,
        /// The parameter's name.
        parameter: String,
        /// Those there are.
        accepted: &'static str,
    },
    /// A value that cannot be read.
    #[error("{uri:?}: {parameter}={value} cannot be read; expected {expected}")]
    BadValue {
        /// The whole text.
        uri: String,
        /// The parameter's name.
        parameter: &'static str,
        /// What was given.
        value: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// A value out of range.
    #[error("{uri:?}: {parameter}={value} is out of range: {accepted}")]
    OutOfRange {
        /// The whole text.
        uri: String,
        /// The parameter's name.
        parameter: &'static str,
        /// What was given.
        value: String,
        /// The range.
        accepted: &'static str,
    },
}

impl UriError {
    fn bad(uri: &str, parameter: &'static str, value: &str, expected: &'static str) -> Self {
        Self::BadValue {
            uri: uri.to_owned(),
            parameter,
            value: value.to_owned(),
            expected,
        }
    }

    fn range(uri: &str, error: OpenError) -> Self {
        match error {
            OpenError::OutOfRange {
                field,
                value,
                accepted,
            } => Self::OutOfRange {
                uri: uri.to_owned(),
                parameter: field,
                value,
                accepted,
            },
            other => Self::bad(uri, "the pattern", &other.to_string(), "valid options"),
        }
    }
}

impl FromStr for VideoUri {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, UriError> {
        match uri.get(..5) {
            Some(scheme) if scheme.eq_ignore_ascii_case("test:") => {
                parse_pattern(uri, &uri[5..]).map(Self::Test)
            }
            _ => parse_location(uri),
        }
    }
}

fn parse_pattern(uri: &str, query: &str) -> Result<PatternOptions, UriError> {
    let mut options = PatternOptions::default();
    let query = query.strip_prefix('?').unwrap_or(query);
    for parameter in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "size" => options.size = parse_size(uri, value)?,
            "fps" => options.fps = parse_fps(uri, value)?,
            "frames" => {
                let frames = value.parse();
                let bad =
                    |_| UriError::bad(uri, "frames", value, "a whole number, e.g. frames=300");
                options.frames = Some(frames.map_err(bad)?);
            }
            _ => {
                return Err(UriError::UnknownParameter {
                    uri: uri.to_owned(),
                    parameter: name.to_owned(),
                    accepted: "size=WxH, fps=N and frames=N",
                });
            }
        }
    }
    options.check().map_err(|e| UriError::range(uri, e))?;
    Ok(options)
}

fn parse_size(uri: &str, value: &str) -> Result<PictureSize, UriError> {
    let sides = value.split_once(['x', 'X']);
    let parsed = sides.and_then(|(width, height)| {
        Some(PictureSize {
            width: width.parse().ok()?,
            height: height.parse().ok()?,
        })
    });
    parsed.ok_or_else(|| UriError::bad(uri, "size", value, "WIDTHxHEIGHT, e.g. size=1280x720"))
}

fn parse_fps(uri: &str, value: &str) -> Result<f64, UriError> {
    let fps = value.parse::<f64>().ok().filter(|fps| fps.is_finite());
    fps.ok_or_else(|| UriError::bad(uri, "fps", value, "a number, e.g. fps=30"))
}

/// A location; of a local one, `?fps=N` at the end is ours. A URL's query is the server's.
fn parse_location(uri: &str) -> Result<VideoUri, UriError> {
    let Some((path, fps)) = uri.rsplit_once("?fps=") else {
        return Ok(VideoUri::Location(uri.parse()?));
    };
    let location: Location = path.parse()?;
    if !matches!(location, Location::File(_)) {
        return Ok(VideoUri::Location(uri.parse()?));
    }
    let fps = parse_fps(uri, fps)?;
    crate::open::checked_rate(fps).map_err(|e| UriError::range(uri, e))?;
    Ok(VideoUri::LocationAt { location, fps })
}

impl fmt::Display for VideoUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(options) => {
                write!(f, "test:?size={}&fps={}", options.size, options.fps)?;
                match options.frames {
                    Some(frames) => write!(f, "&frames={frames}"),
                    None => Ok(()),
                }
            }
            Self::Location(location) => location.fmt(f),
            Self::LocationAt { location, fps } => write!(f, "{location}?fps={fps}"),
        }
    }
}
