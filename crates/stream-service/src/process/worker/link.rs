//! One sender's frames and results: two machines of datachannel-transport, with the pipeline between them.
//!
//! Fed by lanes (the UDP socket's task) and by the pipeline's threads; feeds the pipeline and the lanes. A frame is
//! confirmed when the sender has acknowledged its *result*: whatever dies before that, the frame comes again.
//!
//! A link whose frames come as text instead has them from `upstream`, and its results go out as `plain` text.
//!
//! Locks are taken in this order: `state`, then whatever the pipeline has inside.

mod access_units;
mod lanes;
mod pictures;
mod plain;
mod results;
mod snapshot;
mod stream;
mod upstream;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use datachannel_transport::{
    Confirm, CreditSizer, Encoding, FrameReceiver, GoodbyeCode, LaneId, ReceivedFrame,
    ReceiverConfig, ReceiverEvent, SenderEvent, Window,
};
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{EncodedFrame, FrameKind, FrameResult};
use webrtc_session::MessageKind;

use super::order::PresentationOrder;
use super::units::Units;
use crate::model::meters::RateMeter;
use crate::process::document::{ResultDocument, VideoMetadata};
use crate::process::protocol::{LinkQuery, MIN_UNITS_WINDOW, ProcessMode};
use lanes::Lane;
pub(super) use pictures::JpegPictures;
use pictures::Pictures;
use results::{Results, offer_result, results_of, text_of};
pub(super) use snapshot::LinkSnapshot;
use snapshot::StageWindows;
pub(super) use stream::{PictureStream, Planes};
use upstream::Upstream;

/// Frames that one link may have under way, as long as their bytes fit below: with 100 kB each 64 MB/s where a frame's confirmation
/// takes 400 ms, eight round trips of 50 ms, as where every seventh packet is lost. Both ends hold as many, so no more than that.
pub(super) const MAX_WINDOW_FRAMES: u32 = 256;
/// Frames that it may always have under way: what a pause of the sender's or the worker's scheduler is bridged with.
const MIN_WINDOW_FRAMES: u32 = 32;
/// The same in realtime: one on its way and one whole, and as many again for a path with a round trip of two frames.
const MIN_REALTIME_FRAMES: u32 = 4;
/// Their payload bytes: two raw 4K pictures.
const MAX_WINDOW_BYTES: u64 = 32 << 20;
/// Largest frame taken.
const MAX_FRAME_BYTES: u32 = 32 << 20;

/// A link as the worker has it.
pub(super) struct WorkerLink {
    state: Mutex<State>,
    units: Arc<Units>,
    pipeline: OnceLock<Pipeline>,
}

struct State {
    upstream: Upstream,
    frames: FrameReceiver,
    results: Results,
    /// Below that the sender has every result.
    results_acked: u64,
    pictures: Option<Pictures>,
    lanes: Vec<Lane>,
    mode: ProcessMode,
    /// Handed out by `frames`, and the pipeline had no room.
    waiting: Option<EncodedFrame>,
    units: Arc<Units>,
    /// The link brings access units.
    order: Option<PresentationOrder>,
    /// Duration of frames in the pipeline, by index: what the result says of the declared rate.
    durations: VecDeque<(u64, Duration)>,
    next_index: u64,
    answered: u64,
    ended: bool,
    credit: CreditSizer,
    arrivals: RateMeter,
    stages: StageWindows,
    idle_since: Option<Instant>,
    /// A lane has been open.
    was_open: bool,
    peer_left: bool,
    /// Said goodbye to for good: what the sender says is not heard any more.
    broken: bool,
}

impl WorkerLink {
    /// A link that starts where `query` says. `holds` is how many frames the pipeline works on at once.
    ///
    /// # Errors
    /// The start is out of range.
    pub(super) fn new(
        now: Instant,
        query: &LinkQuery,
        holds: u32,
    ) -> Result<Self, datachannel_transport::ConfigError> {
        let credit = CreditSizer::new(
            (2 * holds).clamp(MIN_WINDOW_FRAMES, MAX_WINDOW_FRAMES),
            MAX_WINDOW_FRAMES,
        );
        let frames = receiver(now, query, holds, &credit)?;
        let units = Arc::new(Units::default());
        let state = State {
            upstream: Upstream::default(),
            frames,
            units: Arc::clone(&units),
            order: None,
            results: results_of(now, query)?,
            results_acked: first_index(query),
            pictures: Pictures::of(now, query)?,
            lanes: Vec::new(),
            mode: query.mode,
            waiting: None,
            durations: VecDeque::new(),
            next_index: first_index(query),
            answered: first_index(query),
            ended: false,
            credit,
            arrivals: RateMeter::new(now),
            stages: StageWindows::default(),
            idle_since: Some(now),
            was_open: false,
            peer_left: false,
            broken: false,
        };
        Ok(Self {
            state: Mutex::new(state),
            units,
            pipeline: OnceLock::new(),
        })
    }

    /// Gives the link what works on its frames, once.
    pub(super) fn set_pipeline(&self, pipeline: Pipeline) {
        // A second one would be dropped, and with it its threads.
        let _ = self.pipeline.set(pipeline);
    }

    /// What the pipeline calls with each result.
    pub(super) fn on_result(
        link: &Weak<Self>,
        mut stream: Option<PictureStream>,
    ) -> Box<dyn FnMut(FrameResult) + Send> {
        let link = Weak::clone(link);
        Box::new(move |mut result| {
            if let Some(stream) = &mut stream {
                // Before the link is locked: it takes as long as it takes.
                stream.encode(&mut result);
            }
            if let Some(link) = link.upgrade() {
                link.answer(Instant::now(), result);
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody will miss it: without lanes since before `idle_since`, or said goodbye to.
    pub(super) fn is_over(&self, idle_since: Instant) -> bool {
        let state = self.lock();
        let idle = state.idle_since;
        idle.is_some_and(|since| since <= idle_since || state.peer_left)
    }

    /// Whether it was made before `since`, and nobody came.
    pub(super) fn is_unused(&self, since: Instant) -> bool {
        let state = self.lock();
        !state.was_open && state.idle_since.is_some_and(|made| made <= since)
    }

    /// Whether it ended before its time: the sender broke the protocol, or the pipeline failed.
    pub(super) fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Ends the link: every lane's next message is the last.
    pub(super) fn goodbye(&self, now: Instant, code: GoodbyeCode, text: &str) {
        let mut state = self.lock();
        state.goodbye(now, code, text);
        state.wake(None);
    }

    /// Moves frames into the pipeline, as many as it takes.
    fn pump(&self, now: Instant, state: &mut State) {
        let Some(pipeline) = self.pipeline.get() else {
            return;
        };
        while let Some(frame) = state.next_frame(now) {
            if let Err(full) = pipeline.submit(frame) {
                if !full.reason.is_temporary() {
                    // It would never be answered, nor any frame after it.
                    tracing::error!(%full, "the pipeline refuses a frame");
                    state.goodbye(now, GoodbyeCode::Failed, &full.to_string());
                    return;
                }
                state.waiting = Some(*full.frame);
                return;
            }
        }
        state.finish_results(now);
    }

    /// Takes a result of the pipeline.
    fn answer(&self, now: Instant, result: FrameResult) {
        let mut state = self.lock();
        state.answer(now, result);
        self.pump(now, &mut state);
        state.wake(None);
    }
}

/// What takes the frames in. A link that confirms them begins with a window as long as `credit` gives before it knows anything.
fn receiver(
    now: Instant,
    query: &LinkQuery,
    holds: u32,
    credit: &CreditSizer,
) -> Result<FrameReceiver, datachannel_transport::ConfigError> {
    let (base, most_frames) = match query.mode {
        ProcessMode::EveryFrame => (ReceiverConfig::every_frame(now), MAX_WINDOW_FRAMES),
        // Whatever waits here cannot be replaced by what is newer.
        ProcessMode::Realtime => {
            let frames = (2 * holds).clamp(MIN_REALTIME_FRAMES, MAX_WINDOW_FRAMES);
            (ReceiverConfig::realtime(now), frames)
        }
    };
    let mut frames = FrameReceiver::new(ReceiverConfig {
        confirm: Confirm::Explicit,
        epoch: query.link.map(|_| query.epoch),
        window: Window {
            frames: most_frames,
            bytes: MAX_WINDOW_BYTES,
        },
        max_frame_bytes: MAX_FRAME_BYTES,
        resume: query.resume(),
        ..base
    })?;
    if query.mode == ProcessMode::EveryFrame && query.link.is_some() {
        frames.set_window(Window {
            frames: credit.frames(None, None).max(MIN_UNITS_WINDOW),
            bytes: MAX_WINDOW_BYTES,
        })?;
    }
    Ok(frames)
}

/// The pipeline counts a realtime link's frames from 0: their sequence has gaps.
fn first_index(query: &LinkQuery) -> u64 {
    match query.mode {
        ProcessMode::EveryFrame => query.next_sequence,
        ProcessMode::Realtime => 0,
    }
}

impl State {
    fn next_frame(&mut self, now: Instant) -> Option<EncodedFrame> {
        self.take_units(now);
        if let Some(frame) = self.waiting.take() {
            return Some(frame);
        }
        let full = |pictures: &Pictures| pictures.are_full();
        if self.pictures.as_ref().is_some_and(full) {
            return None;
        }
        if self.results.len() >= MAX_WINDOW_FRAMES as usize {
            // Every-frame links never get here: their window is as large. Of a realtime link newer frames win.
            return None;
        }
        if let Some(order) = &mut self.order {
            let (frame, duration) = order.pop(self.next_index)?;
            return Some(self.numbered(frame, duration));
        }
        let (frame, duration) = self.upstream_frame(now)?;
        Some(self.numbered(frame, duration))
    }

    fn answer(&mut self, now: Instant, result: FrameResult) {
        let index = result.index;
        self.answered = index + 1;
        self.credit.answered(now, index);
        self.stages.add(&result.stages);
        let mut duration = Duration::ZERO;
        while let Some((_, known)) = self.durations.pop_front_if(|(at, _)| *at <= index) {
            duration = known;
        }
        let measured_fps = self.arrivals.per_second(now);
        let mut errors = result.errors.clone();
        if let Some(pictures) = &mut self.pictures
            && let Err(error) = pictures.offer(now, &result)
        {
            errors.push(error);
        }
        let document = ResultDocument {
            video_metadata: VideoMetadata::new(
                result.source_id,
                result.received_at,
                result.pts,
                duration,
                measured_fps,
            ),
            serialized_output_data: result.output,
            errors,
        };
        match &mut self.results {
            Results::Linked(sender) => offer_result(now, sender, document),
            Results::Plain(plain) => plain.push(index, document),
        }
    }

    /// All frames came and all are answered: the results end too.
    fn finish_results(&mut self, now: Instant) {
        if self.ended
            && self.answered == self.next_index
            && let Results::Linked(sender) = &mut self.results
        {
            sender.finish(now);
            if let Some(pictures) = &mut self.pictures {
                pictures.link.finish(now);
            }
        }
    }

    /// The sender has acknowledged something: frames are confirmed of which it has all there is.
    fn confirm_acked(&mut self, now: Instant) {
        let pictures = self.pictures.as_ref();
        let until = pictures.map_or(u64::MAX, |pictures| pictures.acked);
        self.confirm(now, until.min(self.results_acked));
    }

    /// Frames below `until` are answered, and the sender has the answers.
    fn confirm(&mut self, now: Instant, until: u64) {
        if self.mode == ProcessMode::Realtime || self.upstream.json().is_some() {
            return;
        }
        self.frames.confirm(until);
        self.credit.confirmed(now, until);
        let least = self.order.as_ref().map_or(0, |_| MIN_UNITS_WINDOW);
        // Not the present round trip: that grows with what waits in the lanes, which is what is decided here.
        let window = Window {
            frames: self
                .credit
                .frames(
                    self.frames.shortest_round_trip(),
                    self.frames.arrival_time(),
                )
                .max(least),
            bytes: MAX_WINDOW_BYTES,
        };
        if self.frames.window() != window {
            // Within the configured window by `CreditSizer`'s bounds.
            let _ = self.frames.set_window(window);
        }
    }

    fn on_frames_message(&mut self, now: Instant, lane: LaneId, message: &[u8]) {
        if let Err(error) = self.frames.handle_message(now, lane, message) {
            tracing::warn!(%lane, %error, "the sender broke the protocol");
            self.goodbye(now, GoodbyeCode::ProtocolError, &error.to_string());
        }
        while let Some(event) = self.frames.poll_event() {
            match event {
                ReceiverEvent::Eof { verified, totals } => {
                    self.ended = true;
                    if !verified {
                        tracing::error!(?totals, "the sender's count or hash is another");
                    }
                }
                ReceiverEvent::PeerGoodbye { text, .. } => {
                    tracing::debug!(text, "the sender left");
                    self.peer_left = true;
                }
                _ => {}
            }
        }
    }

    fn on_results_message(&mut self, now: Instant, lane: LaneId, message: &[u8]) {
        let Results::Linked(sender) = &mut self.results else {
            return;
        };
        if let Err(error) = sender.handle_message(now, lane, message) {
            tracing::warn!(%lane, %error, "the sender broke the protocol");
            self.goodbye(now, GoodbyeCode::ProtocolError, &error.to_string());
            return;
        }
        let before = self.results_acked;
        while let Some(event) = sender.poll_event() {
            if let SenderEvent::Acked { sequence, .. } = event {
                self.results_acked = sequence + 1;
            }
        }
        if self.results_acked != before {
            self.confirm_acked(now);
        }
    }

    fn on_pictures_message(&mut self, now: Instant, lane: LaneId, message: &[u8]) {
        let Some(pictures) = &mut self.pictures else {
            return;
        };
        if let Err(error) = pictures.link.handle_message(now, lane, message) {
            tracing::warn!(%lane, %error, "the sender broke the protocol");
            self.goodbye(now, GoodbyeCode::ProtocolError, &error.to_string());
            return;
        }
        let before = pictures.acked;
        pictures.take_acks();
        if pictures.acked != before {
            self.confirm_acked(now);
        }
    }

    fn poll_results(
        &mut self,
        now: Instant,
        lane: LaneId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        match &mut self.results {
            Results::Linked(sender) => sender
                .poll_message(now, lane, room_bytes, out)
                .then_some(MessageKind::Binary),
            Results::Plain(plain) => {
                let (index, text) = plain.pop(room_bytes)?;
                out.extend_from_slice(text.as_bytes());
                self.confirm(now, index + 1);
                Some(MessageKind::Text)
            }
        }
    }

    fn goodbye(&mut self, now: Instant, code: GoodbyeCode, text: &str) {
        self.broken |= matches!(code, GoodbyeCode::ProtocolError | GoodbyeCode::Failed);
        if let Upstream::Json(json) = &mut self.upstream {
            json.close(text);
        }
        self.frames.goodbye(now, code, text);
        if let Results::Linked(sender) = &mut self.results {
            sender.goodbye(now, code, text);
        }
        if let Some(pictures) = &mut self.pictures {
            pictures.link.goodbye(now, code, text);
        }
    }
}

fn encoded(frame: ReceivedFrame, index: u64) -> EncodedFrame {
    let meta = frame.meta;
    let kind = match meta.encoding {
        Encoding::Jpeg => FrameKind::Jpeg,
        Encoding::I420 => FrameKind::I420,
        Encoding::Bgr => FrameKind::Bgr,
        Encoding::H264 => FrameKind::H264,
        _ => FrameKind::Opaque,
    };
    EncodedFrame {
        index,
        source_id: meta.source_id,
        pts: Duration::from_micros(u64::try_from(meta.pts_us).unwrap_or(0)),
        kind,
        width: meta.width,
        height: meta.height,
        payload: frame.payload,
        received_at: SystemTime::now(),
        failed: frame
            .given_up
            .then(|| "the frame could not be brought across unharmed".to_owned()),
    }
}
