//! A message in pieces, as the runs of whole blocks that a hash takes.
//!
//! Most of a run lies in one piece and is hashed where it is; only a block that lies in two pieces is put together. The
//! last run is the padding (FIPS 180-4 §5.1.1).

use super::BLOCK;
use std::slice::Iter;

pub(super) struct Message<'m, P> {
    len: usize,
    pieces: Iter<'m, P>,
    /// Whole blocks of the current piece, and what comes after them.
    run: &'m [[u8; BLOCK]],
    rest: &'m [u8],
    /// Blocks that lie in no piece as a whole, of which those in `stitched_left` are to come.
    stitched: [[u8; BLOCK]; 2],
    stitched_left: usize,
    over: bool,
}

impl<'m, P: AsRef<[u8]>> Message<'m, P> {
    pub(super) fn new(pieces: &'m [P]) -> Self {
        Self {
            len: len(pieces),
            pieces: pieces.iter(),
            run: &[],
            rest: &[],
            stitched: [[0; BLOCK]; 2],
            stitched_left: 0,
            over: false,
        }
    }

    /// Blocks that come next: none once the padding has been taken.
    pub(super) fn run(&mut self) -> &[[u8; BLOCK]] {
        if self.run.is_empty() && self.stitched_left == 0 && !self.over {
            self.refill();
        }
        if self.run.is_empty() {
            &self.stitched[2 - self.stitched_left..]
        } else {
            self.run
        }
    }

    /// The first `blocks` of the run have been hashed.
    pub(super) fn advance(&mut self, blocks: usize) {
        if self.run.is_empty() {
            self.stitched_left -= blocks;
        } else {
            self.run = &self.run[blocks..];
        }
    }

    fn refill(&mut self) {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        loop {
            if filled == 0 && self.rest.len() >= BLOCK {
                (self.run, self.rest) = self.rest.as_chunks();
                return;
            }
            let taken = self.rest.len().min(BLOCK - filled);
            let (now, later) = self.rest.split_at(taken);
            block[filled..filled + taken].copy_from_slice(now);
            self.rest = later;
            filled += taken;
            if filled == BLOCK {
                self.stitched[1] = block;
                self.stitched_left = 1;
                return;
            }
            let Some(piece) = self.pieces.next() else {
                return self.pad(block, filled);
            };
            self.rest = piece.as_ref();
        }
    }

    /// The rest, a one bit, zeros, the message's length in bits.
    fn pad(&mut self, mut block: [u8; BLOCK], filled: usize) {
        block[filled] = 0x80;
        self.over = true;
        self.stitched = [block, [0; BLOCK]];
        self.stitched_left = 2;
        if filled < BLOCK - 8 {
            self.stitched.swap(0, 1);
            self.stitched_left = 1;
        }
        let bits = self.len as u64 * 8;
        self.stitched[1][BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
    }
}

/// Bytes of a message.
pub(crate) fn len<P: AsRef<[u8]>>(pieces: &[P]) -> usize {
    pieces.iter().map(|piece| piece.as_ref().len()).sum()
}

/// Gives `hash` the next blocks of every message, as many of each, until all are through: the messages have one length.
#[inline(always)]
pub(super) fn each_run<P: AsRef<[u8]>, const N: usize>(
    mut messages: [Message<'_, P>; N],
    mut hash: impl FnMut([&[[u8; BLOCK]]; N]),
) {
    loop {
        let mut runs = messages.each_mut().map(Message::run);
        let blocks = runs.iter().map(|run| run.len()).min().unwrap_or_default();
        if blocks == 0 {
            return;
        }
        runs.iter_mut().for_each(|run| *run = &run[..blocks]);
        hash(runs);
        messages
            .iter_mut()
            .for_each(|message| message.advance(blocks));
    }
}
