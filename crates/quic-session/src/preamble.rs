//! The first bytes of every stream: which channel it belongs to, and on a control stream what that channel is called.
//!
//! Fed by whoever opens a stream, and by the first bytes of one that was accepted. `docs/wire.md`, "QUIC lane".
//!
//! ```text
//! frame stream     [version 1][channel]
//! control stream   [version 1][channel][label length][label][protocol length][protocol]
//! ```

use crate::limits::{FRAMING_VERSION, MAX_CHANNELS, MAX_NAME_BYTES};

/// Bytes of a frame stream's preamble, and the first of a control stream's.
pub(crate) const FRAME_PREAMBLE_BYTES: usize = 2;

/// A control stream's preamble: opens a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preamble {
    /// The channel's number, chosen by the client, below 16.
    pub channel: u8,
    /// Its label, at most 64 bytes.
    pub label: String,
    /// The sub-protocol spoken on it, at most 64 bytes; mostly empty.
    pub protocol: String,
}

/// What a stream's first bytes contradict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreambleError {
    /// Another framing.
    #[error("the stream's framing is version {found}, this side speaks {FRAMING_VERSION}")]
    Version {
        /// Its first byte.
        found: u8,
    },
    /// A channel number that no session has.
    #[error("channel number {found}, the largest is {}", MAX_CHANNELS - 1)]
    Channel {
        /// The second byte.
        found: u8,
    },
    /// A name longer than any honest one.
    #[error("a {name} of {bytes} bytes, at most {MAX_NAME_BYTES} are taken")]
    TooLong {
        /// Which name.
        name: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A name that is no text.
    #[error("the {name} is not UTF-8")]
    NotUtf8 {
        /// Which name.
        name: &'static str,
    },
}

/// The preamble of a frame stream.
pub(crate) const fn frame_preamble(channel: u8) -> [u8; FRAME_PREAMBLE_BYTES] {
    [FRAMING_VERSION, channel]
}

/// The channel that a stream's first two bytes name.
pub(crate) fn channel_of(first: [u8; FRAME_PREAMBLE_BYTES]) -> Result<u8, PreambleError> {
    let [version, channel] = first;
    if version != FRAMING_VERSION {
        return Err(PreambleError::Version { found: version });
    }
    if usize::from(channel) >= MAX_CHANNELS {
        return Err(PreambleError::Channel { found: channel });
    }
    Ok(channel)
}

impl Preamble {
    /// The bytes that open the channel.
    ///
    /// # Errors
    /// [`PreambleError`] for a number or a name out of range.
    pub fn encode(&self) -> Result<Vec<u8>, PreambleError> {
        let first = frame_preamble(self.channel);
        channel_of(first)?;
        let mut bytes = first.to_vec();
        for (name, text) in [("label", &self.label), ("protocol", &self.protocol)] {
            bytes.push(name_len(name, text.len())?);
            bytes.extend_from_slice(text.as_bytes());
        }
        Ok(bytes)
    }

    /// Reads a preamble; `None` while bytes are missing. Also says how many bytes it took.
    ///
    /// # Errors
    /// [`PreambleError`]: this is not one.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, PreambleError> {
        let Some((first, rest)) = bytes.split_first_chunk::<FRAME_PREAMBLE_BYTES>() else {
            return Ok(None);
        };
        let channel = channel_of(*first)?;
        let Some((label, rest)) = name("label", rest)? else {
            return Ok(None);
        };
        let Some((protocol, rest)) = name("protocol", rest)? else {
            return Ok(None);
        };
        let preamble = Self {
            channel,
            label: label.to_owned(),
            protocol: protocol.to_owned(),
        };
        Ok(Some((preamble, bytes.len() - rest.len())))
    }

    /// How many bytes are needed at least before [`decode`](Self::decode) can say more than of these.
    pub(crate) fn missing(bytes: &[u8]) -> usize {
        let Some(&label_len) = bytes.get(FRAME_PREAMBLE_BYTES) else {
            return FRAME_PREAMBLE_BYTES + 1 - bytes.len();
        };
        let protocol_at = FRAME_PREAMBLE_BYTES + 1 + usize::from(label_len);
        let whole = match bytes.get(protocol_at) {
            None => protocol_at + 1,
            Some(&protocol_len) => protocol_at + 1 + usize::from(protocol_len),
        };
        whole.saturating_sub(bytes.len())
    }
}

fn name_len(name: &'static str, bytes: usize) -> Result<u8, PreambleError> {
    match u8::try_from(bytes) {
        Ok(len) if bytes <= MAX_NAME_BYTES => Ok(len),
        _ => Err(PreambleError::TooLong { name, bytes }),
    }
}

/// A name and what follows it.
fn name<'a>(
    name: &'static str,
    bytes: &'a [u8],
) -> Result<Option<(&'a str, &'a [u8])>, PreambleError> {
    let Some((&len, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    name_len(name, len.into())?;
    let Some((text, rest)) = rest.split_at_checked(len.into()) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(text).map_err(|_| PreambleError::NotUtf8 { name })?;
    Ok(Some((text, rest)))
}
