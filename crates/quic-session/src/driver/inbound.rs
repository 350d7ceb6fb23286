//! The receiving half of a session: accepts the peer's streams, reads them, and hands whole messages to the handler.
//!
//! Each stream is one future here that reads up to its next message; QUIC's stream limits bound how many there are. A
//! channel whose handler takes no frames has its streams left unread.

use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use web_transport_quinn::{RecvStream, SendStream, Session};

use super::channel::code;
use super::reader::{self, OpenFault, Reader, Step};
use super::totals::SessionCounters;
use crate::framing::Deframer;
use crate::incoming_frame::IncomingFrame;
use crate::{ChannelId, CloseReason, Preamble, SessionConfig, SessionHandler};

/// Buffers kept for the next streams.
const SPARE_BUFFERS: usize = 8;

/// A job may be passed over once or twice though it has something (`FuturesUnordered` yields); not this often.
const QUIET_ROUNDS: u32 = 4;

/// What came of one stream.
enum Arrived {
    Uni(Option<RecvStream>),
    Bi(Option<(SendStream, RecvStream)>),
    FrameBegun(Result<(u8, RecvStream), OpenFault>),
    ChannelBegun(Result<(Preamble, SendStream, RecvStream), OpenFault>),
    Frame(FrameReader, Step),
    Control(ChannelId, Reader, Step),
}

struct FrameReader {
    channel: ChannelId,
    reader: Reader,
    frame: IncomingFrame,
}

/// What the session has to know.
pub(super) enum Happened {
    /// Nothing, or messages were handed on.
    Nothing,
    /// The peer opens a channel.
    Opens(Preamble, SendStream, RecvStream),
    /// The peer ended a channel.
    Ended(ChannelId),
}

pub(super) struct Inbound {
    session: Session,
    config: SessionConfig,
    jobs: FuturesUnordered<BoxFuture<'static, Arrived>>,
    open: Vec<ChannelId>,
    /// Their handler takes no frames for now.
    paused: Vec<FrameReader>,
    /// Their channel is not open, yet or any more.
    unclaimed: Vec<(Instant, ChannelId, RecvStream)>,
    /// Frame streams among the jobs.
    reading: usize,
    /// The peer ended them; what came before is read first.
    ending: Vec<ChannelId>,
    /// Times in a row that no job had anything, while a channel was ending.
    quiet: u32,
    spare: Vec<Deframer>,
}

impl Inbound {
    /// `accepts_channels` at a server: channels are the client's to open.
    pub(super) fn new(session: Session, config: SessionConfig, accepts_channels: bool) -> Self {
        let mut inbound = Self {
            session,
            config,
            jobs: FuturesUnordered::new(),
            open: Vec::new(),
            paused: Vec::new(),
            unclaimed: Vec::new(),
            reading: 0,
            ending: Vec::new(),
            quiet: 0,
            spare: Vec::new(),
        };
        inbound.accept_uni();
        if accepts_channels {
            inbound.accept_bi();
        }
        inbound
    }

    fn accept_uni(&mut self) {
        let session = self.session.clone();
        let job = async move { Arrived::Uni(session.accept_uni().await.ok()) };
        self.jobs.push(Box::pin(job));
    }

    fn accept_bi(&mut self) {
        let session = self.session.clone();
        let job = async move { Arrived::Bi(session.accept_bi().await.ok()) };
        self.jobs.push(Box::pin(job));
    }

    /// Reads a channel's control stream, and the frames that came before it.
    pub(super) fn open(&mut self, id: ChannelId, control: RecvStream) {
        self.open.push(id);
        let reader = self.reader(control);
        self.read_control(id, reader);
        let unclaimed = std::mem::take(&mut self.unclaimed);
        for (since, channel, stream) in unclaimed {
            if channel == id {
                self.begin_frame(id, stream);
            } else {
                self.unclaimed.push((since, channel, stream));
            }
        }
    }

    /// What still comes of the channel is refused.
    pub(super) fn close(&mut self, id: ChannelId, counters: &SessionCounters) {
        self.open.retain(|open| *open != id);
        self.ending.retain(|ending| *ending != id);
        let (ended, paused) = std::mem::take(&mut self.paused)
            .into_iter()
            .partition(|paused| paused.channel == id);
        self.paused = paused;
        let ended: Vec<FrameReader> = ended;
        ended
            .into_iter()
            .for_each(|frame| refuse(frame.reader.stream, counters));
    }

    pub(super) fn is_open(&self, id: ChannelId) -> bool {
        self.open.contains(&id)
    }

    /// Hands on what waited for the handler, as far as it takes it now.
    pub(super) fn resume(
        &mut self,
        now: Instant,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) -> Result<(), CloseReason> {
        if self.paused.is_empty() {
            return Ok(());
        }
        for paused in std::mem::take(&mut self.paused) {
            self.frame_messages(paused, now, handler, counters)?;
        }
        Ok(())
    }

    /// Refuses streams whose channel never opened.
    pub(super) fn expire(&mut self, now: Instant, counters: &SessionCounters) {
        let patience = self.config.stream_idle_timeout;
        let late = |since: Instant| now.saturating_duration_since(since) >= patience;
        let (expired, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unclaimed)
            .into_iter()
            .partition(|(since, ..)| late(*since));
        self.unclaimed = waiting;
        expired
            .into_iter()
            .for_each(|(.., stream)| refuse(stream, counters));
    }

    /// Waits for the next stream that has something, and handles it.
    pub(super) async fn next(
        &mut self,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) -> Result<Happened, CloseReason> {
        while !self.ending.is_empty() && self.reading == 0 {
            if let Some(arrived) = self.jobs.next().now_or_never().flatten() {
                self.quiet = 0;
                return self.handle(Instant::now(), arrived, handler, counters);
            }
            if let Some(id) = self.ended() {
                return Ok(Happened::Ended(id));
            }
            if self.quiet >= QUIET_ROUNDS {
                break;
            }
            self.quiet += 1;
            tokio::task::yield_now().await;
        }
        let Some(arrived) = self.jobs.next().await else {
            // Not reached while streams are accepted; the session's end is told elsewhere.
            return std::future::pending().await;
        };
        self.quiet = 0;
        self.handle(Instant::now(), arrived, handler, counters)
    }

    /// A channel that the peer ended and of which everything is read: a peer that ends one in peace has had all its frames
    /// acknowledged, so that they are here and only wait to be looked at.
    fn ended(&mut self) -> Option<ChannelId> {
        let paused = |id: ChannelId| self.paused.iter().any(|frame| frame.channel == id);
        let at = self.ending.iter().position(|id| !paused(*id));
        at.filter(|_| self.quiet >= QUIET_ROUNDS)
            .map(|at| self.ending.swap_remove(at))
    }

    fn handle(
        &mut self,
        now: Instant,
        arrived: Arrived,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) -> Result<Happened, CloseReason> {
        match arrived {
            // The session is over, which is told elsewhere.
            Arrived::Uni(None) | Arrived::Bi(None) => {}
            Arrived::Uni(Some(stream)) => {
                self.accept_uni();
                self.reading += 1;
                let patience = self.config.stream_idle_timeout;
                let job = async move {
                    Arrived::FrameBegun(reader::frame_stream(stream, patience).await)
                };
                self.jobs.push(Box::pin(job));
            }
            Arrived::Bi(Some(streams)) => {
                self.accept_bi();
                let patience = self.config.stream_idle_timeout;
                let job = async move {
                    Arrived::ChannelBegun(reader::control_stream(streams, patience).await)
                };
                self.jobs.push(Box::pin(job));
            }
            Arrived::FrameBegun(Ok((channel, stream))) => {
                self.reading -= 1;
                self.frame_begun(now, ChannelId(channel), stream, counters);
            }
            Arrived::ChannelBegun(Ok((preamble, send, stream))) => {
                return Ok(Happened::Opens(preamble, send, stream));
            }
            Arrived::FrameBegun(Err(fault)) => {
                self.reading -= 1;
                not_begun(&fault, counters)?;
            }
            Arrived::ChannelBegun(Err(fault)) => not_begun(&fault, counters)?,
            Arrived::Frame(frame, step) => {
                self.reading -= 1;
                self.frame_step(now, frame, &step, handler, counters)?;
            }
            Arrived::Control(id, reader, step) => {
                return self.control_step(now, id, reader, &step, handler, counters);
            }
        }
        Ok(Happened::Nothing)
    }

    fn frame_begun(
        &mut self,
        now: Instant,
        channel: ChannelId,
        stream: RecvStream,
        counters: &SessionCounters,
    ) {
        counters.frame_streams_received.add(1);
        if self.is_open(channel) {
            self.begin_frame(channel, stream);
        } else {
            self.unclaimed.push((now, channel, stream));
        }
    }

    fn begin_frame(&mut self, channel: ChannelId, stream: RecvStream) {
        let frame = FrameReader {
            channel,
            reader: self.reader(stream),
            frame: IncomingFrame::default(),
        };
        self.read_frame(frame);
    }

    fn reader(&mut self, stream: RecvStream) -> Reader {
        let max_bytes = self.config.max_message_bytes;
        let deframer = self.spare.pop().unwrap_or_else(|| Deframer::new(max_bytes));
        Reader { stream, deframer }
    }

    fn read_frame(&mut self, mut frame: FrameReader) {
        self.reading += 1;
        let patience: Duration = self.config.stream_idle_timeout;
        let job = async move {
            let step = frame.reader.step(Some(patience)).await;
            Arrived::Frame(frame, step)
        };
        self.jobs.push(Box::pin(job));
    }

    fn read_control(&mut self, id: ChannelId, mut reader: Reader) {
        let job = async move {
            let step = reader.step(None).await;
            Arrived::Control(id, reader, step)
        };
        self.jobs.push(Box::pin(job));
    }

    fn frame_step(
        &mut self,
        now: Instant,
        frame: FrameReader,
        step: &Step,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) -> Result<(), CloseReason> {
        if !self.is_open(frame.channel) {
            refuse(frame.reader.stream, counters);
            return Ok(());
        }
        match step {
            Step::Messages => self.frame_messages(frame, now, handler, counters)?,
            Step::End => {
                frame.reader.deframer.end().map_err(broke)?;
                frame.frame.end().map_err(broke)?;
                self.keep(frame.reader.deframer);
            }
            Step::Reset => counters.streams_reset_by_peer.add(1),
            Step::Idle => refuse(frame.reader.stream, counters),
            Step::Lost => {}
        }
        Ok(())
    }

    /// Hands on what is there, as far as the handler takes it.
    fn frame_messages(
        &mut self,
        mut frame: FrameReader,
        now: Instant,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) -> Result<(), CloseReason> {
        while handler.takes_frames(frame.channel) {
            let Some(message) = frame.reader.deframer.next_message().map_err(broke)? else {
                self.read_frame(frame);
                return Ok(());
            };
            frame.frame.check(message).map_err(broke)?;
            count(message, counters);
            handler.on_message(now, frame.channel, message);
        }
        self.paused.push(frame);
        Ok(())
    }

    fn control_step(
        &mut self,
        now: Instant,
        id: ChannelId,
        mut reader: Reader,
        step: &Step,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) -> Result<Happened, CloseReason> {
        if !self.is_open(id) {
            return Ok(Happened::Nothing);
        }
        match step {
            Step::Messages => {
                while let Some(message) = reader.deframer.next_message().map_err(broke)? {
                    count(message, counters);
                    handler.on_message(now, id, message);
                }
                self.read_control(id, reader);
                Ok(Happened::Nothing)
            }
            Step::End => {
                reader.deframer.end().map_err(broke)?;
                self.ending.push(id);
                Ok(Happened::Nothing)
            }
            Step::Reset | Step::Idle => Ok(Happened::Ended(id)),
            Step::Lost => Ok(Happened::Nothing),
        }
    }

    fn keep(&mut self, deframer: Deframer) {
        if self.spare.len() < SPARE_BUFFERS {
            self.spare.push(deframer);
        }
    }
}

fn count(message: &[u8], counters: &SessionCounters) {
    counters.messages_received.add(1);
    counters.message_bytes_received.add(message.len() as u64);
}

#[allow(clippy::needless_pass_by_value)] // It is what `map_err` gives.
fn broke<E: std::error::Error>(error: E) -> CloseReason {
    CloseReason::Protocol(error.to_string())
}

/// A stream whose first bytes did not come, or are none of ours.
fn not_begun(fault: &OpenFault, counters: &SessionCounters) -> Result<(), CloseReason> {
    match fault {
        OpenFault::Preamble(error) => Err(CloseReason::Protocol(error.to_string())),
        OpenFault::Idle => {
            counters.streams_refused.add(1);
            Ok(())
        }
        // A stream that was reset early may have lost even its first bytes.
        OpenFault::Ended => {
            counters.streams_reset_by_peer.add(1);
            Ok(())
        }
        OpenFault::Lost => Ok(()),
    }
}

/// Tells the peer that nobody reads this.
pub(super) fn refuse(mut stream: RecvStream, counters: &SessionCounters) {
    // Fails for a stream that ended already.
    let _ = stream.stop(code::REFUSED);
    counters.streams_refused.add(1);
}
