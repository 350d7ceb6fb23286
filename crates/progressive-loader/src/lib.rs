//! Bytes by CID, URL or file, as a reader that is usable before the content is there.
