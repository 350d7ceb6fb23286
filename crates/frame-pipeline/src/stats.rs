//! What a pipeline has done and what it holds.

use serde::Serialize;

/// A snapshot in which every frame is accounted for: `submitted = results + frames`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PipelineStats {
    /// Frames that were taken.
    pub submitted: u64,
    /// Frames that were refused because the pipeline was full, each time they were.
    pub refused: u64,
    /// Results handed out, or being handed out.
    pub results: u64,
    /// Results with at least one error.
    pub with_errors: u64,
    /// Frames that the decoder refused, or panicked at.
    pub decode_errors: u64,
    /// Frames whose batch took longer than the timeout.
    pub timed_out: u64,
    /// Panics of processors; a batch that panicked and each of its frames that did again count.
    pub panics: u64,
    /// Batches that workers began, retries of single frames included.
    pub batches: u64,
    /// Frames in the pipeline.
    pub frames: usize,
    /// Bytes charged for them, and for what threads that were left behind still hold.
    pub bytes: u64,
    /// Frames that wait for a decoder.
    pub waiting_for_decoder: usize,
    /// Frames that wait for a worker.
    pub waiting_for_worker: usize,
    /// Results that wait for those before them.
    pub waiting_for_order: usize,
    /// Workers with a batch in hand.
    pub busy_workers: usize,
    /// Threads that were left behind and still run.
    pub abandoned: usize,
}
