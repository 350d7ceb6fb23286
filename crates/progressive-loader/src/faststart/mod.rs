//! An MP4 whose index stands at its end, as the same film with the index in front, without copying it.
//!
//! A player must have read the `moov` box before it shows a frame; writers that cannot know it in advance put it behind the
//! media data. The box moves to the front of a *virtual* file here, the chunk offsets in it (`stco`, `co64`) move with what
//! they point at, and every byte else is the source's own (ISO/IEC 14496-12 §8.1.1, §8.2.1, §8.7.5).
//!
//! Fed with a few ranges of a file, which [`Scan`] asks for; feeds [`Layout`], which tells where each byte of the virtual
//! file comes from. Pure; [`driver::FaststartSource`](crate::driver::FaststartSource) reads through it.

mod boxes;
mod layout;
mod moov;
mod scan;

pub use layout::{Layout, Piece};
pub use scan::{Scan, Step};

/// Why a file stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AsIs {
    /// It is no MP4 or QuickTime file.
    #[error("it is no MP4")]
    NotMp4,
    /// Its index stands before its media data already, or there is only one of them.
    #[error("its index is not behind its media data")]
    InOrder,
    /// Its boxes do not fill it: it was cut, or is damaged.
    #[error("its boxes do not fit it")]
    Damaged,
    /// It points at its bytes in ways that are not followed here: fragments, item locations, auxiliary
    /// data, compressed indexes, media in other files.
    #[error("it refers to its bytes by {0:?}")]
    OtherReferences([u8; 4]),
    /// It has more boxes, or a larger index, than is read.
    #[error("its index is larger than what is moved")]
    TooLarge,
}
