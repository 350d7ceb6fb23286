//! Buffered random access to a container's bytes.
//!
//! Fed by a [`ReadSeek`]; feeds the demuxers. Samples lie mostly one behind the other, so a short way
//! forward stays inside the buffer instead of becoming a seek (and, over HTTP, a request).

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use crate::ReadSeek;

/// One read from the source: several samples of a web video, one loader block's quarter.
const BUFFER_BYTES: usize = 256 * 1024;

pub(crate) struct Input {
    reader: BufReader<Box<dyn ReadSeek>>,
    position: u64,
    len_bytes: u64,
    name: String,
}

impl Input {
    /// Starts at the first byte, wherever the reader stands.
    pub(crate) fn new(
        mut reader: Box<dyn ReadSeek>,
        len_bytes: u64,
        name: &str,
    ) -> io::Result<Self> {
        reader.seek(SeekFrom::Start(0))?;
        Ok(Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            position: 0,
            len_bytes,
            name: name.to_owned(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn seek_to(&mut self, offset: u64) -> io::Result<()> {
        match offset.checked_signed_diff(self.position) {
            Some(0) => {}
            Some(distance) => self.reader.seek_relative(distance)?,
            None => {
                self.reader.seek(SeekFrom::Start(offset))?;
            }
        }
        self.position = offset;
        Ok(())
    }

    pub(crate) fn read_exact_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.seek_to(offset)?;
        self.read_exact(into)
    }

    /// Replaces `into` with `len` bytes from `offset`; allocates only what the input can hold.
    pub(crate) fn read_vec_at(
        &mut self,
        offset: u64,
        len: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        let end = offset.checked_add(len as u64);
        if end.is_none_or(|end| end > self.len_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into.clear();
        into.resize(len, 0);
        self.read_exact_at(offset, into)
    }

    /// As many of `into`'s bytes as there are.
    pub(crate) fn read_up_to(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
        self.position += amount as u64;
    }
}
