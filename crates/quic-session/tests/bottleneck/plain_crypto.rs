//! A handshake without cryptography for quinn-proto: it exchanges transport parameters and leaves packets as they are.
//!
//! Encryption decides nothing about congestion, and without it a run is the same each time.

use std::any::Any;
use std::sync::Arc;

use bytes::BytesMut;
use quinn_proto::crypto::{
    AeadKey, ClientConfig, CryptoError, ExportKeyingMaterialError, HandshakeTokenKey, HeaderKey,
    HmacKey, KeyPair, Keys, PacketKey, ServerConfig, Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError};

/// As long as a real one, so that packets have their real size.
const TAG: usize = 16;

pub(super) struct Plain;

struct PlainKey;

impl HeaderKey for PlainKey {
    fn decrypt(&self, _: usize, _: &mut [u8]) {}
    fn encrypt(&self, _: usize, _: &mut [u8]) {}
    fn sample_size(&self) -> usize {
        TAG
    }
}

impl PacketKey for PlainKey {
    fn encrypt(&self, _: u64, buf: &mut [u8], _: usize) {
        // Not zeros: those are what the reset tokens of this handshake are.
        let start = buf.len() - TAG;
        buf[start..].fill(0x5a);
    }
    fn decrypt(&self, _: u64, _: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        let length = payload.len().checked_sub(TAG).ok_or(CryptoError)?;
        payload.truncate(length);
        Ok(())
    }
    fn tag_len(&self) -> usize {
        TAG
    }
    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }
    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

fn keys() -> Keys {
    Keys {
        header: KeyPair {
            local: Box::new(PlainKey),
            remote: Box::new(PlainKey),
        },
        packet: packet_keys(),
    }
}

fn packet_keys() -> KeyPair<Box<dyn PacketKey>> {
    KeyPair {
        local: Box::new(PlainKey),
        remote: Box::new(PlainKey),
    }
}

/// One message each way at each level: parameters and a client's word that it is done.
struct Handshake {
    side: Side,
    parameters: Vec<u8>,
    received: Vec<u8>,
    /// Steps taken by `write_handshake`.
    step: u8,
}

impl Handshake {
    /// A message: its length in two bytes, then the transport parameters.
    fn new(side: Side, params: &TransportParameters) -> Self {
        let mut body = Vec::new();
        params.write(&mut body);
        let mut parameters = (body.len() as u16).to_be_bytes().to_vec();
        parameters.extend(body);
        Self {
            side,
            parameters,
            received: Vec::new(),
            step: 0,
        }
    }

    /// The peer's parameters, once they are here whole. A server's come behind one byte of hello.
    fn peer(&self) -> Option<&[u8]> {
        let message = match self.side {
            Side::Client => self.received.get(1..)?,
            Side::Server => &self.received,
        };
        let length = u16::from_be_bytes(message.get(..2)?.try_into().ok()?);
        message.get(2..2 + usize::from(length))
    }

    /// The client's last byte is what the server waits for.
    fn finished(&self) -> bool {
        match self.side {
            Side::Client => self.step >= 3,
            Side::Server => self
                .peer()
                .is_some_and(|peer| self.received.len() > peer.len() + 2),
        }
    }
}

impl Session for Handshake {
    fn initial_keys(&self, _: &ConnectionId, _: Side) -> Keys {
        keys()
    }
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }
    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }
    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }
    fn early_data_accepted(&self) -> Option<bool> {
        None
    }
    fn is_handshaking(&self) -> bool {
        !self.finished()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.received.extend_from_slice(buf);
        Ok(false)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        match self.peer() {
            None => Ok(None),
            Some(mut body) => Ok(Some(TransportParameters::read(self.side, &mut body)?)),
        }
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        match (self.side, self.step) {
            (Side::Client, 0) => {
                buf.extend(&self.parameters);
                self.step = 1;
                None
            }
            (Side::Client, 1) if !self.received.is_empty() => {
                self.step = 2;
                Some(keys())
            }
            (Side::Client, 2) if self.peer().is_some() => {
                buf.push(1);
                self.step = 3;
                Some(keys())
            }
            (Side::Server, 0) if self.peer().is_some() => {
                buf.push(1);
                self.step = 1;
                Some(keys())
            }
            (Side::Server, 1) => {
                buf.extend(&self.parameters);
                self.step = 2;
                Some(keys())
            }
            _ => None,
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        Some(packet_keys())
    }
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }
    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

impl ClientConfig for Plain {
    fn start_session(
        self: Arc<Self>,
        _: u32,
        _: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        Ok(Box::new(Handshake::new(Side::Client, params)))
    }
}

impl ServerConfig for Plain {
    fn initial_keys(&self, _: u32, _: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        Ok(keys())
    }
    fn retry_tag(&self, _: u32, _: &ConnectionId, _: &[u8]) -> [u8; 16] {
        [0; 16]
    }
    fn start_session(self: Arc<Self>, _: u32, params: &TransportParameters) -> Box<dyn Session> {
        Box::new(Handshake::new(Side::Server, params))
    }
}

impl HmacKey for Plain {
    fn sign(&self, _: &[u8], signature_out: &mut [u8]) {
        signature_out.fill(0);
    }
    fn signature_len(&self) -> usize {
        32
    }
    fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), CryptoError> {
        Ok(())
    }
}

impl HandshakeTokenKey for Plain {
    fn aead_from_hkdf(&self, _: &[u8]) -> Box<dyn AeadKey> {
        Box::new(Plain)
    }
}

impl AeadKey for Plain {
    fn seal(&self, data: &mut Vec<u8>, _: &[u8]) -> Result<(), CryptoError> {
        data.extend([0; TAG]);
        Ok(())
    }
    fn open<'a>(&self, data: &'a mut [u8], _: &[u8]) -> Result<&'a mut [u8], CryptoError> {
        let length = data.len().checked_sub(TAG).ok_or(CryptoError)?;
        Ok(&mut data[..length])
    }
}
