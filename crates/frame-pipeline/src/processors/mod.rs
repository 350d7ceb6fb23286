//! The processors that come with the crate, and their names.

mod dhash;
mod driver;
mod each;
mod exec_message;
mod frame_number;
mod luma;
mod spec;
mod stats;
#[cfg(feature = "onnx")]
mod tensor;

pub use spec::{BUILTIN_PROCESSORS, ProcessorSpecError, builtin};
