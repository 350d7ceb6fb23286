//! WebRTC data-channel sessions over one UDP socket, driven by str0m.
