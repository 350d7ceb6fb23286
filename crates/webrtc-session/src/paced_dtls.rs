//! DTLS that takes one SCTP packet at a time, so that str0m asks SCTP for more packets once a burst and not once a
//! packet.
//!
//! str0m hands a whole burst of SCTP packets to DTLS before it returns the first datagram; then, for each datagram it
//! returns, it asks SCTP again whether there is more to send. Each time sctp-proto walks all chunks in flight (five
//! times: expiry, retransmission), a third of what sending costs. A packet that DTLS has no room for yet makes str0m
//! keep the rest of the burst and come back, without asking SCTP. So this wrapper around str0m's own DTLS takes the next
//! packet only after the datagram of the last one was handed on.
//!
//! Fed by str0m with records and datagrams; feeds str0m's DTLS. Measured in docs/performance.md.

use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};
use str0m::crypto::{CryptoError, CryptoProvider};

/// str0m's cryptography, with its DTLS paced.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        dtls_provider: &PacedDtls,
        ..str0m::crypto::from_feature_flags()
    }
}

#[derive(Debug)]
struct PacedDtls;

impl DtlsProvider for PacedDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu_bytes: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let dtls = str0m::crypto::from_feature_flags().dtls_provider.new_dtls(
            certificate,
            now,
            version,
            mtu_bytes,
        )?;
        Ok(Box::new(Paced {
            dtls,
            handing_on: false,
        }))
    }
}

#[derive(Debug)]
struct Paced {
    dtls: Box<dyn DtlsInstance>,
    /// The last poll gave a datagram: str0m holds it, and polls again once it has returned it.
    handing_on: bool,
}

impl DtlsInstance for Paced {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.dtls.poll_output(buf);
        self.handing_on = matches!(output, DtlsOutput::Packet(_));
        output
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        if self.handing_on {
            return Ok(0);
        }
        self.dtls.send_application_data(data)
    }

    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.dtls.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.dtls.handle_timeout(now)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_next_record_is_taken_once_the_last_datagram_was_handed_on() {
        let now = Instant::now();
        let provider = provider();
        let certificate = provider.dtls_provider.generate_certificate().unwrap();
        let new = || {
            provider
                .dtls_provider
                .new_dtls(&certificate, now, DtlsVersion::Dtls12, Some(1200))
                .unwrap()
        };
        let (mut client, mut server) = (new(), new());
        client.set_active(true);
        server.set_active(false);
        client.handle_timeout(now).unwrap();
        server.handle_timeout(now).unwrap();
        let mut connected = 0;
        for _ in 0..20 {
            connected += usize::from(exchange(client.as_mut(), server.as_mut()));
            connected += usize::from(exchange(server.as_mut(), client.as_mut()));
        }
        assert_eq!(connected, 2);

        let mut buf = [0; 2048];
        assert_eq!(client.send_application_data(b"one").unwrap(), 3);
        assert!(matches!(
            client.poll_output(&mut buf),
            DtlsOutput::Packet(_)
        ));
        assert_eq!(client.send_application_data(b"two").unwrap(), 0);
        assert!(matches!(
            client.poll_output(&mut buf),
            DtlsOutput::Timeout(_)
        ));
        assert_eq!(client.send_application_data(b"two").unwrap(), 3);
    }

    /// Hands on all that `from` has; whether it said that it is connected.
    fn exchange(from: &mut dyn DtlsInstance, to: &mut dyn DtlsInstance) -> bool {
        let (mut connected, mut buf) = (false, [0; 2048]);
        loop {
            match from.poll_output(&mut buf) {
                DtlsOutput::Packet(packet) => to.handle_packet(packet).unwrap(),
                DtlsOutput::Connected => connected = true,
                DtlsOutput::Timeout(_) => return connected,
                _ => {}
            }
        }
    }
}
