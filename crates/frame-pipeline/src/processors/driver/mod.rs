//! Processors that touch the world: the clock, other processes, files.

mod exec;
#[cfg(feature = "onnx")]
mod onnx;
mod sleep;

pub(super) use exec::Exec;
#[cfg(feature = "onnx")]
pub(super) use onnx::Onnx;
pub(super) use sleep::Sleep;
