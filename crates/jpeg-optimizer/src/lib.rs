//! One JPEG encode per frame, quality and size, shared by every viewer.
