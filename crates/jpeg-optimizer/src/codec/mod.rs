//! The libraries that JPEGs go through, one of two by feature.
//!
//! Fed by the encoder and the decoder; the rest of the crate knows neither library. `turbo` is libjpeg-turbo with SIMD;
//! `pure-rust` is jpeg-encoder and zune-jpeg, which cargo builds alone.

#[cfg(not(any(feature = "turbo", feature = "pure-rust")))]
compile_error!("jpeg-optimizer needs the feature `turbo` (the default) or `pure-rust`");

#[cfg(all(feature = "pure-rust", not(feature = "turbo")))]
mod pure_chroma;
#[cfg(all(feature = "pure-rust", not(feature = "turbo")))]
mod pure_decode;
#[cfg(all(feature = "pure-rust", not(feature = "turbo")))]
mod pure_encode;
#[cfg(feature = "turbo")]
mod turbo_decode;
#[cfg(feature = "turbo")]
mod turbo_encode;

#[cfg(all(feature = "pure-rust", not(feature = "turbo")))]
pub(crate) use {pure_decode::Decompressor, pure_encode::Compressor};
#[cfg(feature = "turbo")]
pub(crate) use {turbo_decode::Decompressor, turbo_encode::Compressor};
