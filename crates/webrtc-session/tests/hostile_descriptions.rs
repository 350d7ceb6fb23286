//! Session descriptions and fragments from strangers: each refused with its reason, none ends anything but itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use support::{connect, loopback, pair, scripted};
use webrtc_session::{AcceptError, ChannelSpec, Endpoint, SdpError, SessionError};

/// Shaped like Chromium's: audio and video before the channel, mDNS candidates, attributes at media level.
const BROWSER_OFFER: &str = include_str!("browser_offer.sdp");

async fn offer(client: &Endpoint) -> String {
    let (handler, _peer) = scripted();
    client
        .connect(handler, &[ChannelSpec::reliable("data")])
        .await
        .unwrap()
        .0
}

async fn refusal(server: &Endpoint, offer: &str) -> SdpError {
    let (handler, _peer) = scripted();
    match server.accept(offer, handler).await {
        Err(AcceptError::Sdp(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn each_fault_of_an_offer_is_named() {
    let server = Endpoint::bind(loopback()).unwrap();
    let good = offer(&server).await;
    assert!(matches!(
        refusal(&server, "").await,
        SdpError::NotSdp { .. }
    ));
    assert!(matches!(
        refusal(&server, "{\"sdp\":1}").await,
        SdpError::NotSdp { .. }
    ));
    assert!(matches!(
        refusal(&server, "v=0\r\n").await,
        SdpError::NoDataChannel { .. }
    ));
    assert!(matches!(
        refusal(&server, &good.repeat(400)).await,
        SdpError::TooLarge { .. }
    ));
    assert_eq!(
        refusal(&server, &good.replace("a=fingerprint", "a=x")).await,
        SdpError::MissingFingerprint
    );
    let no_ufrag = refusal(&server, &good.replace("a=ice-ufrag", "a=x")).await;
    assert_eq!(
        no_ufrag,
        SdpError::MissingIceCredentials {
            attribute: "ice-ufrag"
        }
    );
    assert_eq!(
        refusal(&server, &good.replace("a=group", "a=ice-lite\r\na=group")).await,
        SdpError::IceLite
    );
    let two_channels = good.replacen("v=0", "v=0\r\nrubbish", 1);
    assert!(matches!(
        refusal(&server, &two_channels).await,
        SdpError::Refused { .. }
    ));
}

#[tokio::test]
async fn a_browsers_offer_with_media_gets_its_channel_and_inactive_media() {
    let server = Endpoint::bind(loopback()).unwrap();
    let (handler, _peer) = scripted();
    let accepted = server.accept(BROWSER_OFFER, handler).await.unwrap();
    assert_eq!(accepted.inactive_media, ["audio", "video"]);
    let sections: Vec<&str> = accepted.answer_sdp.split("\r\nm=").skip(1).collect();
    assert_eq!(sections.len(), 3, "{}", accepted.answer_sdp);
    for media in &sections[..2] {
        let refused = media.split(' ').nth(1) == Some("0") || media.contains("a=inactive");
        assert!(refused, "{media}");
    }
    assert!(
        sections[2].starts_with("application 9") && sections[2].contains("a=sctp-port"),
        "{}",
        sections[2]
    );
    assert!(accepted.answer_sdp.contains("a=ice-lite"));
    assert!(accepted.answer_sdp.contains(&format!(
        "127.0.0.1 {} typ host",
        server.local_addr().port()
    )));
}

#[tokio::test]
async fn truncated_and_mutated_offers_never_end_the_endpoint() {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    let offers = [offer(&client).await, BROWSER_OFFER.to_owned()];
    for offer in &offers {
        for length in (0..offer.len())
            .filter(|length| offer.is_char_boundary(*length))
            .step_by(7)
        {
            try_and_close(&server, &offer[..length]).await;
        }
    }
    let mut runner = TestRunner::new(Config {
        cases: 1,
        ..Config::default()
    });
    let strategy = (
        0usize..2,
        prop::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0u8..3), 1..8),
    );
    for _ in 0..400 {
        let (which, changes) = strategy.new_tree(&mut runner).unwrap().current();
        try_and_close(&server, &mutate(&offers[which], &changes)).await;
    }
    connect(&server, &client, &[ChannelSpec::reliable("still alive")]).await;
}

async fn try_and_close(server: &Endpoint, offer: &str) {
    let (handler, _peer) = scripted();
    if let Ok(accepted) = server.accept(offer, handler).await {
        server.close(accepted.session).await.unwrap();
    }
}

fn mutate(offer: &str, changes: &[(prop::sample::Index, char, u8)]) -> String {
    let mut chars: Vec<char> = offer.chars().collect();
    for (at, to, kind) in changes {
        let at = at.index(chars.len());
        match kind {
            0 => chars[at] = *to,
            1 => drop(chars.remove(at)),
            _ => chars.insert(at, *to),
        }
    }
    chars.into_iter().collect()
}

#[tokio::test]
async fn trickled_fragments_are_taken_or_refused_with_a_reason() {
    let pair = pair().await;
    let (server, session) = (&pair.server, pair.server_session);
    let add =
        |fragment: String| async move { server.add_remote_candidates(session, &fragment).await };
    assert_eq!(
        add("a=candidate:1 1 udp 99 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n".to_owned())
            .await,
        Ok(())
    );
    assert_eq!(
        add("a=candidate:1 1 udp 99 0b0c.local 5000 typ host\r\n".to_owned()).await,
        Ok(())
    );
    assert_eq!(add("a=candidate:".repeat(500)).await, Ok(()));
    let other = add("a=ice-ufrag:other\r\n".to_owned()).await;
    assert_eq!(other, Err(SessionError::Sdp(SdpError::OtherCredentials)));
    assert!(matches!(
        add("hello".to_owned()).await,
        Err(SessionError::Sdp(SdpError::NotFragment { .. }))
    ));
    assert!(matches!(
        add("a=x\n".repeat(10_000)).await,
        Err(SessionError::Sdp(SdpError::TooLarge { .. }))
    ));
}
