//! Whole messages out of a stream's bytes, and into them: each message is preceded by its length, 32 bits, big endian.
//!
//! Fed by a stream's driver, which reads straight into [`Deframer::space`]; feeds the session's handler. Bounded: a length
//! above the limit is an error before anything is allocated for it, and the buffer grows only as bytes arrive.

use crate::limits::FIRST_BUFFER_BYTES;

/// Bytes of a message's length.
pub(crate) const PREFIX_BYTES: usize = 4;

/// What a stream's bytes contradict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// A message longer than this side takes.
    #[error("a message of {claimed_bytes} bytes, at most {max_bytes} are taken")]
    TooLong {
        /// What its length says.
        claimed_bytes: u32,
        /// The limit.
        max_bytes: usize,
    },
    /// A message of no bytes: nothing in the wire format is that short.
    #[error("a message of no bytes")]
    Empty,
    /// The stream ended within a message.
    #[error("the stream ended {missing_bytes} bytes before the end of a message")]
    Truncated {
        /// What is missing, as far as it can be told.
        missing_bytes: usize,
    },
}

/// The length that goes before a message of that many bytes.
#[must_use]
pub(crate) fn prefix(message_bytes: usize) -> [u8; PREFIX_BYTES] {
    // Never more than MAX_MESSAGE_BYTES, which is a megabyte.
    (message_bytes as u32).to_be_bytes()
}

/// Takes a stream's bytes as they come and gives whole messages.
///
/// ```
/// use quic_session::Deframer;
///
/// let mut deframer = Deframer::new(1024);
/// let bytes = [0, 0, 0, 2, b'h', b'i', 0, 0];
/// deframer.space()[..bytes.len()].copy_from_slice(&bytes);
/// deframer.advance(bytes.len());
/// assert_eq!(deframer.next_message()?, Some(&b"hi"[..]));
/// assert_eq!(deframer.next_message()?, None);
/// assert!(deframer.end().is_err(), "two bytes of a length are not a message");
/// # Ok::<(), quic_session::FramingError>(())
/// ```
#[derive(Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    /// What was handed out already.
    start: usize,
    /// Where the stream's bytes end.
    end: usize,
    max_message_bytes: usize,
}

impl Deframer {
    /// For messages of at most `max_message_bytes`.
    #[must_use]
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            max_message_bytes,
        }
    }

    /// Where the stream's next bytes go; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start > 0 && self.buffer.len() - self.end < self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let largest = self.max_message_bytes.saturating_add(PREFIX_BYTES);
            // A full buffer holds part of one message, for whole ones are taken out first; so there is room below `largest`,
            // unless nobody takes them out.
            let grown =
                (self.buffer.len() * 2).clamp(FIRST_BUFFER_BYTES, largest.max(FIRST_BUFFER_BYTES));
            self.buffer.resize(grown.max(self.end + 1), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// That many bytes were written to the last [`space`](Self::space).
    pub fn advance(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.buffer.len());
    }

    /// Whether [`next_message`](Self::next_message) has something to say.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !matches!(self.peek(), Ok(None))
    }

    /// The next whole message, if it is there.
    ///
    /// # Errors
    /// [`FramingError`]: the stream breaks the framing; nothing after it means anything.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FramingError> {
        let Some(len) = self.peek()? else {
            return Ok(None);
        };
        let from = self.start + PREFIX_BYTES;
        self.start = from + len;
        Ok(Some(&self.buffer[from..from + len]))
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// [`FramingError::Truncated`] when that is within a message.
    pub fn end(&self) -> Result<(), FramingError> {
        let held = self.end - self.start;
        if held == 0 {
            return Ok(());
        }
        let claimed = self.claimed().map_or(0, |bytes| bytes as usize);
        Err(FramingError::Truncated {
            missing_bytes: (PREFIX_BYTES + claimed).saturating_sub(held),
        })
    }

    /// Bytes allocated.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.buffer.len()
    }

    fn claimed(&self) -> Option<u32> {
        let held = &self.buffer[self.start..self.end];
        held.first_chunk().copied().map(u32::from_be_bytes)
    }

    /// Length of the next message, once all of it is held.
    fn peek(&self) -> Result<Option<usize>, FramingError> {
        let max_bytes = self.max_message_bytes;
        match self.claimed() {
            None => Ok(None),
            Some(0) => Err(FramingError::Empty),
            Some(claimed_bytes) if claimed_bytes as usize > max_bytes => {
                Err(FramingError::TooLong {
                    claimed_bytes,
                    max_bytes,
                })
            }
            Some(claimed) => {
                let whole = self.end - self.start - PREFIX_BYTES >= claimed as usize;
                Ok(whole.then_some(claimed as usize))
            }
        }
    }
}
