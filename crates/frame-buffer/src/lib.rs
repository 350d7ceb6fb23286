//! Pooled I420 video frames and an adaptive ring buffer that counts every drop and underflow.
