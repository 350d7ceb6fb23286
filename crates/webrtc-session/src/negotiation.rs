//! Offers and answers: makes sessions out of them and changes living ones by them. Fed by the endpoint's handle with
//! descriptions that `offer` has looked at, feeds `session`.
//!
//! str0m and its parsers see text from strangers here, so a panic of theirs is caught and becomes a refusal.

use core::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::channel::{ChannelConfig, Reliability};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::{Candidate, IceCreds, Rtc};

use crate::offer::{Description, MAX_CANDIDATES};
use crate::session::Session;
use crate::trickle::Fragment;
use crate::{SdpError, SessionConfig, SessionError, SessionHandler};

/// A channel to be opened by the connecting side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSpec {
    /// What the other side knows it by.
    pub label: String,
    /// The sub-protocol that its messages follow (RFC 8832 §5.1), told to the other side. Default none.
    pub protocol: String,
    /// Deliver messages in order. Default true.
    pub ordered: bool,
    /// Give a message up after this many retransmissions. Default `None`: never.
    pub max_retransmits: Option<u16>,
}

impl ChannelSpec {
    /// A reliable, ordered channel.
    #[must_use]
    pub fn reliable(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            protocol: String::new(),
            ordered: true,
            max_retransmits: None,
        }
    }

    /// The same, with a sub-protocol named.
    #[must_use]
    pub fn speaking(mut self, protocol: &str) -> Self {
        self.protocol = protocol.to_owned();
        self
    }

    fn to_rtc(&self) -> ChannelConfig {
        let reliability = self
            .max_retransmits
            .map_or(Reliability::Reliable, |retransmits| {
                Reliability::MaxRetransmits { retransmits }
            });
        ChannelConfig {
            label: self.label.clone(),
            protocol: self.protocol.clone(),
            ordered: self.ordered,
            reliability,
            ..ChannelConfig::default()
        }
    }
}

/// The endpoint's certificate and cryptography. One certificate serves all sessions: making one costs more than all the
/// rest of accepting an offer.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    provider: Arc<CryptoProvider>,
    certificate: DtlsCert,
}

impl Identity {
    /// `None` when the crypto provider fails.
    pub(crate) fn generate() -> Option<Self> {
        let provider = crate::paced_dtls::provider();
        let certificate = provider.dtls_provider.generate_certificate()?;
        Some(Self {
            provider: Arc::new(provider),
            certificate,
        })
    }

    fn rtc(
        &self,
        now: Instant,
        config: &SessionConfig,
        ice: &Ice,
        candidates: &[SocketAddr],
    ) -> Rtc {
        let mut builder = Rtc::builder();
        if let Ice::LiteAs(credentials) = ice {
            builder = builder.set_local_ice_credentials(credentials.clone());
        }
        let mut rtc = builder
            .set_crypto_provider(Arc::clone(&self.provider))
            .set_dtls_cert(self.certificate.clone())
            .set_ice_lite(!matches!(ice, Ice::Full))
            .clear_codecs()
            .set_mtu(config.mtu_bytes..=usize::MAX)
            .set_sctp_max_message_size(u32::try_from(config.max_message_bytes).unwrap_or(u32::MAX))
            // The room ledger decides what may be buffered; str0m's own limit, shared by all channels, stays out of it.
            .set_sctp_max_buffered_amount(usize::MAX)
            .build(now);
        for candidate in candidates
            .iter()
            .filter_map(|address| Candidate::host(*address, "udp").ok())
        {
            rtc.add_local_candidate(candidate);
        }
        rtc
    }
}

/// How a session takes part in ICE.
enum Ice {
    /// Makes checks of its own: the side that connects.
    Full,
    /// Answers checks (RFC 8445 §2.5).
    Lite,
    /// The same, known by these credentials.
    LiteAs(IceCreds),
}

/// A session that answers an offer, and the answer.
pub(crate) fn answer_offer(
    now: Instant,
    identity: &Identity,
    candidates: &[SocketAddr],
    config: SessionConfig,
    handler: Box<dyn SessionHandler>,
    offer: Description,
) -> Result<(Box<Session>, String), SdpError> {
    let (rtc, loopback, answer) = refusing(|| {
        let mut rtc = identity.rtc(now, &config, &Ice::Lite, candidates);
        let answer = apply_offer(&mut rtc, &offer.sdp)?;
        let loopback = loopback_twin(now, identity, candidates, &config, &mut rtc, &offer)?;
        Ok((rtc, loopback, answer))
    })?;
    let mut session = Box::new(Session::new(now, rtc, handler, config));
    session.negotiation.loopback = loopback;
    session
        .channels
        .set_peer_max_message_bytes(offer.max_message_bytes);
    session.negotiation.remote_ufrag = offer.ufrag;
    session.negotiation.max_datagram_bytes = offer.max_datagram_bytes;
    Ok((session, answer))
}

/// str0m takes an MTU when it is made, and the path is known only once the peer's first check is here. So where that may
/// come over loopback, a second `Rtc` stands ready that gave the same answer and differs in its MTU.
fn loopback_twin(
    now: Instant,
    identity: &Identity,
    candidates: &[SocketAddr],
    config: &SessionConfig,
    rtc: &mut Rtc,
    offer: &Description,
) -> Result<Option<Box<Rtc>>, SdpError> {
    let on_loopback = candidates.iter().any(|address| address.ip().is_loopback());
    if !on_loopback || config.loopback_mtu_bytes == config.mtu_bytes {
        return Ok(None);
    }
    let config = SessionConfig {
        mtu_bytes: config.loopback_mtu_bytes,
        ..config.clone()
    };
    let credentials = rtc.direct_api().local_ice_credentials();
    let mut twin = identity.rtc(now, &config, &Ice::LiteAs(credentials), candidates);
    apply_offer(&mut twin, &offer.sdp)?;
    Ok(Some(Box::new(twin)))
}

/// A session that makes an offer, and the offer.
pub(crate) fn make_offer(
    now: Instant,
    identity: &Identity,
    candidates: &[SocketAddr],
    config: SessionConfig,
    handler: Box<dyn SessionHandler>,
    channels: &[ChannelSpec],
) -> Option<(Box<Session>, String)> {
    let mut rtc = identity.rtc(now, &config, &Ice::Full, candidates);
    let mut changes = rtc.sdp_api();
    for channel in channels {
        changes.add_channel_with_config(channel.to_rtc());
    }
    let (offer, pending) = changes.apply()?;
    let mut session = Box::new(Session::new(now, rtc, handler, config));
    session.negotiation.pending = Some(pending);
    Some((session, offer.to_sdp_string()))
}

impl Session {
    /// The half of a check's username that names this session.
    pub(crate) fn local_ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Takes the answer to this session's offer. The caller drains.
    pub(crate) fn apply_answer(&mut self, answer: Description) -> Result<(), SessionError> {
        let session = self.id;
        let pending = self
            .negotiation
            .pending
            .take()
            .ok_or(SessionError::NotOffering { session })?;
        refusing(|| {
            let parsed = SdpAnswer::from_sdp_string(&answer.sdp).map_err(refused)?;
            self.rtc
                .sdp_api()
                .accept_answer(pending, parsed)
                .map_err(refused)
        })?;
        self.channels
            .set_peer_max_message_bytes(answer.max_message_bytes);
        self.negotiation.remote_ufrag = answer.ufrag;
        Ok(())
    }

    /// The peer is heard from for the first time: over loopback, its twin takes the session's place, and datagrams are as
    /// large as both sides allow.
    pub(crate) fn settle_path(&mut self, source: SocketAddr) {
        let twin = self.negotiation.loopback.take();
        if !source.ip().is_loopback() {
            return;
        }
        if let Some(twin) = twin {
            self.rtc = *twin;
            self.config.mtu_bytes = self.config.loopback_mtu_bytes;
        }
        let told = self.negotiation.max_datagram_bytes;
        self.joined.limit_bytes = told.min(self.config.loopback_datagram_bytes);
    }

    /// Offers new ICE credentials for the living connection. The caller drains.
    pub(crate) fn make_restart_offer(&mut self) -> Result<String, SessionError> {
        let mut changes = self.rtc.sdp_api();
        changes.ice_restart(true);
        let session = self.id;
        let (offer, pending) = changes
            .apply()
            .ok_or(SessionError::NotOffering { session })?;
        self.negotiation.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// Answers a new offer on the living connection: with new ICE credentials in it, that is an ICE restart
    /// (RFC 8445 §9). The caller drains and tells the demultiplexer the new local ufrag.
    pub(crate) fn apply_restart(&mut self, offer: Description) -> Result<String, SessionError> {
        self.negotiation.loopback = None;
        let answer = refusing(|| apply_offer(&mut self.rtc, &offer.sdp))?;
        self.negotiation.remote_ufrag = offer.ufrag;
        self.negotiation.candidates_added = 0;
        Ok(answer)
    }

    /// Adds trickled candidates. The caller drains.
    pub(crate) fn add_candidates(&mut self, fragment: &Fragment) -> Result<(), SessionError> {
        if fragment
            .ufrag
            .as_ref()
            .is_some_and(|ufrag| *ufrag != self.negotiation.remote_ufrag)
        {
            return Err(SdpError::OtherCredentials.into());
        }
        let room = MAX_CANDIDATES.saturating_sub(self.negotiation.candidates_added);
        for candidate in fragment.candidates.iter().take(room) {
            if let Ok(candidate) = Candidate::from_sdp_string(candidate) {
                if let Some(twin) = &mut self.negotiation.loopback {
                    twin.add_remote_candidate(candidate.clone());
                }
                self.rtc.add_remote_candidate(candidate);
                self.negotiation.candidates_added += 1;
            }
        }
        Ok(())
    }
}

fn apply_offer(rtc: &mut Rtc, sdp: &str) -> Result<String, SdpError> {
    let offer = SdpOffer::from_sdp_string(sdp).map_err(refused)?;
    let answer = rtc.sdp_api().accept_offer(offer).map_err(refused)?;
    Ok(answer.to_sdp_string())
}

#[allow(clippy::needless_pass_by_value)] // as map_err passes it
fn refused(error: impl ToString) -> SdpError {
    // The parser's message quotes what it read over several lines; one line fits an error.
    let detail = error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    SdpError::Refused {
        detail: detail.chars().take(300).collect(),
    }
}

fn refusing<T>(negotiate: impl FnOnce() -> Result<T, SdpError>) -> Result<T, SdpError> {
    catch_unwind(AssertUnwindSafe(negotiate)).unwrap_or_else(|_| {
        tracing::error!("the WebRTC stack panicked on a session description");
        Err(SdpError::Refused {
            detail: "the WebRTC stack cannot handle it".to_owned(),
        })
    })
}
