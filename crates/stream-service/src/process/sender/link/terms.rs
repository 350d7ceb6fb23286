//! What a worker is told of a link when it is to make it.
//!
//! Read by the dialer with each lane.

use super::SendLink;
use crate::process::protocol::{LinkQuery, PictureEncoding, ProcessMode};
use crate::process::sender::options::{ProcessOutput, SendOptions};

/// What stays the same as long as the link lives.
pub(super) struct Terms {
    mode: ProcessMode,
    data_output: Option<String>,
    /// Quality of the processed frames that come back.
    pictures: Option<u8>,
    picture_encoding: PictureEncoding,
}

impl Terms {
    pub(super) fn of(options: &SendOptions) -> Self {
        Self {
            mode: options.mode,
            // Where the pictures alone are wanted, the results say no more than that there is one.
            data_output: match options.output {
                ProcessOutput::Video => Some("none".to_owned()),
                ProcessOutput::Data | ProcessOutput::Both => options.data_output.clone(),
            },
            pictures: options
                .output
                .has_pictures()
                .then_some(options.output_quality),
            picture_encoding: options.output_encoding,
        }
    }
}

impl SendLink {
    /// The link as it is now, and where a worker starts that knows nothing of it.
    pub(in crate::process::sender) fn query(&self) -> LinkQuery {
        let state = self.lock();
        let start = state.frames.resume_point();
        LinkQuery {
            epoch: state.epoch,
            mode: self.terms.mode,
            next_sequence: start.next_sequence,
            bytes: start.bytes,
            hash: start.hash,
            data_output: self.terms.data_output.clone(),
            pictures: self.terms.pictures,
            picture_encoding: self.terms.picture_encoding,
            answered: state.answered,
            ..LinkQuery::default()
        }
    }
}
