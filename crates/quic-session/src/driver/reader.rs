//! One stream of the peer, read as far as its next whole message: the futures that a session's receiving half polls.

use std::time::Duration;

use tokio::time::timeout;
use web_transport_quinn::{ReadError, ReadExactError, RecvStream, SendStream};

use super::channel::code;
use crate::framing::Deframer;
use crate::preamble::{FRAME_PREAMBLE_BYTES, channel_of};
use crate::{Preamble, PreambleError};

/// How far a stream was read.
#[derive(Debug)]
pub(super) enum Step {
    /// Messages are there.
    Messages,
    /// It ended.
    End,
    /// The peer reset it.
    Reset,
    /// Nothing came for too long.
    Idle,
    /// The session is over.
    Lost,
}

/// A stream and what was read of it.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) stream: RecvStream,
    pub(super) deframer: Deframer,
}

impl Reader {
    /// Reads until there is a message, or none can come. `patience` is for each piece of it.
    pub(super) async fn step(&mut self, patience: Option<Duration>) -> Step {
        loop {
            if self.deframer.is_ready() {
                return Step::Messages;
            }
            let read = self.stream.read(self.deframer.space());
            let read = match patience {
                None => read.await,
                Some(patience) => match timeout(patience, read).await {
                    Ok(read) => read,
                    Err(_) => return Step::Idle,
                },
            };
            match read {
                Ok(Some(bytes)) => self.deframer.advance(bytes),
                Ok(None) => return Step::End,
                Err(error) => return fault(&error),
            }
        }
    }
}

fn fault(error: &ReadError) -> Step {
    match error {
        ReadError::SessionError(_) => Step::Lost,
        _ => Step::Reset,
    }
}

/// Why a stream's first bytes did not come.
#[derive(Debug)]
pub(super) enum OpenFault {
    /// They are none of ours.
    Preamble(PreambleError),
    /// It ended, or was reset, before them.
    Ended,
    /// They did not come in time.
    Idle,
    /// The session is over.
    Lost,
}

impl From<ReadExactError> for OpenFault {
    fn from(error: ReadExactError) -> Self {
        match error {
            ReadExactError::ReadError(ReadError::SessionError(_)) => Self::Lost,
            _ => Self::Ended,
        }
    }
}

/// The channel that a frame stream belongs to.
pub(super) async fn frame_stream(
    mut stream: RecvStream,
    patience: Duration,
) -> Result<(u8, RecvStream), OpenFault> {
    let mut first = [0; FRAME_PREAMBLE_BYTES];
    match timeout(patience, stream.read_exact(&mut first)).await {
        Err(_) => {
            // Fails for a stream that ended already.
            let _ = stream.stop(code::REFUSED);
            return Err(OpenFault::Idle);
        }
        Ok(read) => read?,
    }
    let channel = channel_of(first).map_err(OpenFault::Preamble)?;
    Ok((channel, stream))
}

/// What a control stream's beginning says.
pub(super) async fn control_stream(
    streams: (SendStream, RecvStream),
    patience: Duration,
) -> Result<(Preamble, SendStream, RecvStream), OpenFault> {
    let (mut send, mut stream) = streams;
    let read = async {
        let mut bytes = Vec::new();
        loop {
            match Preamble::decode(&bytes).map_err(OpenFault::Preamble)? {
                Some((preamble, _)) => return Ok(preamble),
                None => {
                    // A name's length is checked before its bytes are awaited, so this stays below 200.
                    let held = bytes.len();
                    bytes.resize(held + Preamble::missing(&bytes).max(1), 0);
                    stream.read_exact(&mut bytes[held..]).await?;
                }
            }
        }
    };
    let read: Result<Preamble, OpenFault> = timeout(patience, read)
        .await
        .unwrap_or(Err(OpenFault::Idle));
    let preamble = read.inspect_err(|_| {
        // Dropped without a word it would look like a channel that ended in peace. Fails where it is over already.
        let _ = send.reset(code::REFUSED);
        let _ = stream.stop(code::REFUSED);
    })?;
    Ok((preamble, send, stream))
}
