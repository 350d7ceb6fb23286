//! Connecting to a lane's address: from its URL to a session with its channels open.

use std::net::SocketAddr;
use std::sync::Arc;

use url::Url;
use web_transport_quinn::{
    ClientError, ConnectError as WtConnectError, RecvStream, SendStream, Session, proto,
};

use super::endpoint::Common;
use super::session::Starting;
use super::transport;
use crate::{ChannelSpec, ConnectConfig, ConnectError, Preamble, SessionHandler, SessionId, Token};

/// A lane's address, taken apart.
struct Target {
    url: Url,
    /// Host and port, for messages.
    shown: String,
    host: String,
    port: u16,
}

pub(super) async fn connect(
    quinn: &quinn::Endpoint,
    common: &Arc<Common>,
    url: &str,
    config: ConnectConfig,
    handler: Box<dyn SessionHandler>,
    channels: &[ChannelSpec],
) -> Result<SessionId, ConnectError> {
    config.session.validate()?;
    let target = target(url)?;
    let preambles = preambles(channels, config.session.max_channels)?;
    let connecting = async {
        let transport = dial(quinn, common, &target, &config).await?;
        let opened = open(&transport, &target, preambles, channels).await?;
        Ok((transport, opened))
    };
    let (transport, opened) = tokio::time::timeout(config.timeout, connecting)
        .await
        .unwrap_or_else(|_| {
            Err(ConnectError::Timeout {
                host: target.shown.clone(),
                timeout: config.timeout,
            })
        })?;
    let id = common.sessions.name();
    let starting = Starting {
        id,
        transport,
        handler,
        config: config.session,
        idle_timeout: common.config.idle_timeout,
        opened: Some(opened),
    };
    tokio::spawn(starting.start(&common.sessions, &common.totals).run());
    Ok(id)
}

fn target(text: &str) -> Result<Target, ConnectError> {
    let wrong = |reason: String| ConnectError::Url {
        url: text.chars().take(300).collect(),
        reason,
    };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if url.scheme() != "https" {
        return Err(wrong("its scheme is not https".to_owned()));
    }
    Token::from_path(url.path()).map_err(|error| wrong(error.to_string()))?;
    let host = url.host().ok_or_else(|| wrong("no host".to_owned()))?;
    let host = match host {
        url::Host::Domain(name) => name.to_owned(),
        url::Host::Ipv4(address) => address.to_string(),
        url::Host::Ipv6(address) => address.to_string(),
    };
    let port = url.port_or_known_default().unwrap_or(443);
    let shown = format!("{host}:{port}");
    Ok(Target {
        url,
        shown,
        host,
        port,
    })
}

/// What opens each channel.
fn preambles(channels: &[ChannelSpec], max: usize) -> Result<Vec<Vec<u8>>, ConnectError> {
    let mut preambles = Vec::new();
    for (number, spec) in channels.iter().enumerate() {
        let channel = u8::try_from(number).ok().filter(|_| number < max);
        let preamble = Preamble {
            channel: channel.ok_or_else(|| ConnectError::Channel {
                label: spec.label.clone(),
                reason: format!("a session has at most {max}"),
            })?,
            label: spec.label.clone(),
            protocol: spec.protocol.clone(),
        };
        let bytes = preamble
            .encode()
            .map_err(|error| ConnectError::channel(&spec.label, &error))?;
        preambles.push(bytes);
    }
    Ok(preambles)
}

async fn dial(
    quinn: &quinn::Endpoint,
    common: &Arc<Common>,
    target: &Target,
    config: &ConnectConfig,
) -> Result<Session, ConnectError> {
    let failed = |reason: String| ConnectError::Handshake {
        host: target.shown.clone(),
        reason,
    };
    let client = transport::client(&common.config, &config.trust).map_err(failed)?;
    let address = resolve(target, quinn).await?;
    let connecting = quinn.connect_with(client, address, &target.host);
    let connecting = connecting.map_err(|error| match error {
        quinn::ConnectError::EndpointStopping => ConnectError::EndpointClosed,
        error => failed(error.to_string()),
    })?;
    let connection = connecting
        .await
        .map_err(|error| failed(error.to_string()))?;
    transport::apply(&connection, &config.session, false);
    let session = Session::connect(connection, target.url.clone()).await;
    session.map_err(|error| match error {
        ClientError::HttpError(
            WtConnectError::ErrorStatus(status)
            | WtConnectError::ProtoError(proto::ConnectError::WrongStatus(Some(status))),
        ) => ConnectError::Refused {
            host: target.shown.clone(),
            status: status.as_u16(),
        },
        error => failed(error.to_string()),
    })
}

/// The host's first address that the socket's family reaches.
async fn resolve(target: &Target, quinn: &quinn::Endpoint) -> Result<SocketAddr, ConnectError> {
    let failed = |reason: String| ConnectError::Resolve {
        host: target.shown.clone(),
        reason,
    };
    let addresses = tokio::net::lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(|error| failed(error.to_string()))?;
    let ipv6 = quinn.local_addr().is_ok_and(|local| local.is_ipv6());
    let mut reachable = addresses.filter(|address| ipv6 || address.is_ipv4());
    reachable
        .next()
        .ok_or_else(|| failed("no address of the socket's family".to_owned()))
}

type Opened = Vec<(ChannelSpec, SendStream, RecvStream)>;

async fn open(
    session: &Session,
    target: &Target,
    preambles: Vec<Vec<u8>>,
    channels: &[ChannelSpec],
) -> Result<Opened, ConnectError> {
    let failed = |reason: String| ConnectError::Handshake {
        host: target.shown.clone(),
        reason,
    };
    let mut opened = Vec::new();
    for (spec, preamble) in channels.iter().zip(preambles) {
        let streams = session.open_bi().await;
        let (mut send, receive) = streams.map_err(|error| failed(error.to_string()))?;
        let written = send.write_all(&preamble).await;
        written.map_err(|error| failed(error.to_string()))?;
        opened.push((spec.clone(), send, receive));
    }
    Ok(opened)
}
