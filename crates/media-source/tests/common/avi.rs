//! A minimal AVI writer: video as stream 01 beside a sound stream.

pub(crate) fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend_from_slice(body);
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

pub(crate) fn list(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"LIST", &[kind.to_vec(), parts.concat()].concat())
}

pub(crate) fn avi(
    compression: &[u8; 4],
    rate: (u32, u32),
    frames: u32,
    movi: &[Vec<u8>],
) -> Vec<u8> {
    let mut strh = b"vids".to_vec();
    strh.extend(compression);
    strh.extend([0; 12]);
    for value in [rate.1, rate.0, 0, frames, 0, 0, 0] {
        strh.extend(value.to_le_bytes());
    }
    let mut strf = vec![0; 40];
    strf[16..20].copy_from_slice(compression);
    let sound = list(
        b"strl",
        &[chunk(b"strh", b"auds01234567"), chunk(b"strf", b"")],
    );
    let video = list(b"strl", &[chunk(b"strh", &strh), chunk(b"strf", &strf)]);
    let hdrl = list(b"hdrl", &[chunk(b"avih", &[0; 56]), sound, video]);
    let body = [b"AVI ".to_vec(), hdrl, list(b"movi", movi)].concat();
    chunk(b"RIFF", &body)
}
