//! Video containers and codecs to I420 frames with true timestamps, paced at the content's own rate.
