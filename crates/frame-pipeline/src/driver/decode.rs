//! Decode threads: payload in, pixels out, each on the decoder of its own thread.

use std::sync::Arc;
use std::time::Instant;

use frame_buffer::{FramePool, Picture};

use super::caught;
use super::shared::Shared;
use super::state::{Decoded, Incoming, opened};
use crate::bgr;
use crate::{DecoderFactory, FrameContent, FrameDecoder, PipelineError};

/// Pictures made of BGR frames that idle in the pool: one is in use as the previous one, one is
/// being written.
const POOLED_PICTURES: usize = 2;

pub(super) fn spawn(
    shared: &Arc<Shared>,
    lane: usize,
    factory: Arc<dyn DecoderFactory>,
) -> Result<(), PipelineError> {
    let shared = Arc::clone(shared);
    Shared::spawn(format!("frame-decode-{lane}"), move || {
        run(&shared, lane, &*factory);
    })?;
    Ok(())
}

fn run(shared: &Shared, lane: usize, factory: &dyn DecoderFactory) {
    let mut decoder = None;
    let pool = FramePool::new(POOLED_PICTURES);
    while let Some((incoming, needs_previous)) = next(shared, lane) {
        let started = Instant::now();
        let content = decode(&mut decoder, factory, &incoming);
        let mut decoded = finished(incoming, content, needs_previous.then_some(&pool));
        let now = Instant::now();
        let (Decoded::Frame { tag, .. } | Decoded::Failed { tag, .. }) = &mut decoded;
        tag.stages.decode = now.saturating_duration_since(started);
        let mut state = shared.lock();
        if state.stopped {
            return;
        }
        match &mut decoded {
            Decoded::Failed { .. } => state.counts.decode_errors += 1,
            Decoded::Frame {
                tag,
                frame,
                picture,
            } => {
                let held = held_bytes(&frame.content, picture.as_ref());
                state.budget.recharge(tag.charge_bytes, held);
                tag.charge_bytes = held;
            }
        }
        state.decoded(decoded, now);
        drop(state);
        shared.notify_advanced();
    }
}

fn next(shared: &Shared, lane: usize) -> Option<(Incoming, bool)> {
    let mut state = shared.lock();
    loop {
        if state.stopped {
            return None;
        }
        if let Some(incoming) = state.next_encoded(lane) {
            return Some((incoming, state.needs_previous()));
        }
        state = Shared::wait(&shared.decode_ready, state, None);
    }
}

/// Decodes one frame; the decoder does not survive its panic.
fn decode(
    decoder: &mut Option<Box<dyn FrameDecoder>>,
    factory: &dyn DecoderFactory,
    incoming: &Incoming,
) -> Result<FrameContent, String> {
    let decoded = caught::call(|| {
        let decoder = decoder.get_or_insert_with(|| factory.make());
        let content = decoder.decode(&incoming.frame)?;
        content.check().map_err(|error| error.to_string())?;
        Ok(content)
    });
    decoded.unwrap_or_else(|message| {
        let broken = decoder.take();
        if caught::call(|| drop(broken)).is_err() {
            tracing::error!("a decoder panicked again while it was dropped");
        }
        Err(format!("panicked: {message}"))
    })
}

/// `pool` where the next frame needs this one's picture.
fn finished(
    Incoming { tag, frame }: Incoming,
    content: Result<FrameContent, String>,
    pool: Option<&FramePool>,
) -> Decoded {
    let content = match content {
        Ok(content) => content,
        Err(error) => {
            let error = format!("decode: {error}");
            return Decoded::Failed { tag, error };
        }
    };
    let picture = pool.and_then(|pool| picture(&content, pool));
    let frame = opened(&frame, content);
    Decoded::Frame {
        tag,
        frame,
        picture,
    }
}

fn picture(content: &FrameContent, pool: &FramePool) -> Option<Picture> {
    match content {
        FrameContent::Picture(picture) => Some(picture.clone()),
        FrameContent::Bgr {
            width,
            height,
            bytes,
        } => bgr::to_picture(pool, *width, *height, bytes).ok(),
        FrameContent::Opaque(_) => None,
    }
}

fn held_bytes(content: &FrameContent, picture: Option<&Picture>) -> u64 {
    let converted = match (content, picture) {
        (FrameContent::Bgr { .. }, Some(picture)) => picture.size_bytes(),
        _ => 0,
    };
    (content.size_bytes() + converted) as u64
}
