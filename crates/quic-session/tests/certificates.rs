//! Who is believed, and what happens when certificates change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::time::{Duration, SystemTime};

use quic_session::{
    BindError, CertificateHash, ChannelId, ConnectConfig, ConnectError, Endpoint, Identity,
    IdentityError, InviteError, Trust, read_authorities,
};
use rcgen::{CertificateParams, KeyPair, generate_simple_self_signed};
use support::{config, endpoint, endpoint_with, pair, ping, scripted, url};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn connects(client: &Endpoint, server: &Endpoint, trust: Trust) -> Result<(), ConnectError> {
    let invitation = server.invite(scripted().0).unwrap();
    let url = url(server, &invitation);
    let config = ConnectConfig::new(trust);
    let connected = client.connect(&url, config, scripted().0, &[]).await;
    server.withdraw(&invitation);
    connected.map(drop)
}

#[tokio::test]
async fn only_a_certificate_with_the_right_hash_is_believed() {
    let (server, client) = (endpoint(), endpoint());
    let right = server.certificate_hashes();
    assert_eq!(right.len(), 2, "the one that is shown, and the next");
    connects(&client, &server, Trust::Hashes(right))
        .await
        .unwrap();
    let wrong = vec![CertificateHash([7; 32])];
    for trust in [
        Trust::Hashes(wrong),
        Trust::Hashes(Vec::new()),
        Trust::System,
    ] {
        let refused = connects(&client, &server, trust).await;
        assert!(
            matches!(refused, Err(ConnectError::Handshake { .. })),
            "{refused:?}"
        );
    }
    support::wait_until("they are counted", || {
        server.totals().handshakes_failed == 3
    })
    .await;
    assert_eq!(server.totals().sessions_started, 1);
}

#[tokio::test]
async fn a_new_certificate_takes_over_while_sessions_live_on() {
    let mut pair = pair(&["frames"]).await;
    let told = pair.server.certificate_hashes();
    let now = SystemTime::now();
    assert!(!pair.server.renew_certificate_if_due(now).unwrap());
    assert_eq!(pair.server.certificate_hashes(), told);
    assert!(
        pair.server
            .renew_certificate_if_due(now + 4 * DAY + DAY / 24)
            .unwrap()
    );
    let tells = pair.server.certificate_hashes();
    assert_eq!(tells[0], told[1], "the next one is shown");
    assert!(!told.contains(&tells[1]), "and another is made");
    assert_eq!(pair.server.totals().certificates_renewed, 1);

    pair.at_client.say(ChannelId(0), ping(1));
    assert_eq!(pair.at_server.message().await, (ChannelId(0), ping(1)));
    // Who was told before the change connects after it; the first certificate alone is believed no more.
    connects(&pair.client, &pair.server, Trust::Hashes(told.clone()))
        .await
        .unwrap();
    let first = Trust::Hashes(vec![told[0]]);
    assert!(connects(&pair.client, &pair.server, first).await.is_err());
}

#[tokio::test]
async fn a_certificate_from_files_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (certificates, key) = (
        folder.path().join("chain.pem"),
        folder.path().join("key.pem"),
    );
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    write_pem(&certificates, "CERTIFICATE", made.cert.der());
    write_pem(&key, "PRIVATE KEY", &made.signing_key.serialize_der());
    let server = endpoint_with(|config| {
        config.identity = Identity::Pem {
            certificates: certificates.clone(),
            key: key.clone(),
        };
    });
    assert!(
        server.certificate_hashes().is_empty(),
        "browsers check it by name"
    );
    let now = SystemTime::now();
    assert!(!server.renew_certificate_if_due(now + 100 * DAY).unwrap());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, made.cert.der());
    let hash = CertificateHash(digest.as_ref().try_into().unwrap());
    connects(&endpoint(), &server, Trust::Hashes(vec![hash]))
        .await
        .unwrap();
}

#[tokio::test]
async fn files_that_are_written_again_are_read_again_and_what_is_wrong_with_them_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let now = SystemTime::now();
    let write = |lasting: Duration| {
        let (mut params, key) = (
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap(),
            KeyPair::generate().unwrap(),
        );
        params.not_before = (now - DAY).into();
        params.not_after = (now - DAY + lasting).into();
        let made = params.self_signed(&key).unwrap();
        write_pem(&path("chain.pem"), "CERTIFICATE", made.der());
        write_pem(&path("key.pem"), "PRIVATE KEY", &key.serialize_der());
    };
    write(14 * DAY);
    let server = endpoint_with(|config| {
        config.identity = Identity::Pem {
            certificates: path("chain.pem"),
            key: path("key.pem"),
        };
    });
    // ECDSA and short-lived: browsers take it by hash.
    let told = server.certificate_hashes();
    assert_eq!(told.len(), 1);
    assert!(!server.renew_certificate_if_due(now).unwrap());
    let key = fs::read(path("key.pem")).unwrap();
    fs::remove_file(path("key.pem")).unwrap();
    let error = server.renew_certificate_if_due(now).unwrap_err();
    assert!(error.to_string().contains("key.pem"), "{error}");
    assert!(!server.renew_certificate_if_due(now).unwrap(), "said once");
    assert_eq!(server.certificate_hashes(), told);
    connects(&endpoint(), &server, Trust::Hashes(told.clone()))
        .await
        .unwrap();
    fs::write(path("key.pem"), key).unwrap();
    assert!(server.renew_certificate_if_due(now).unwrap());
    assert_eq!(server.certificate_hashes(), told);
    // A day longer than browsers take by hash.
    write(15 * DAY);
    assert!(server.renew_certificate_if_due(now).unwrap());
    assert!(server.certificate_hashes().is_empty());
    let authorities = read_authorities(&path("chain.pem")).unwrap();
    let invitation = server.invite(scripted().0).unwrap();
    let by_name = url(&server, &invitation).replace("127.0.0.1", "localhost");
    let config = ConnectConfig::new(Trust::SystemAnd(authorities));
    endpoint()
        .connect(&by_name, config, scripted().0, &[])
        .await
        .unwrap();
    assert_eq!(server.totals().certificates_renewed, 2);
    write(Duration::from_secs(3600));
    let error = server.renew_certificate_if_due(now).unwrap_err();
    assert!(matches!(error, IdentityError::OutOfDate { .. }), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_files_is_said_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    write_pem(&path("chain.pem"), "CERTIFICATE", made.cert.der());
    let other = KeyPair::generate().unwrap();
    write_pem(&path("other.pem"), "PRIVATE KEY", &other.serialize_der());
    fs::write(path("empty.pem"), "").unwrap();
    let bind = |certificates: &str, key: &str| {
        let mut config = config();
        config.identity = Identity::Pem {
            certificates: path(certificates),
            key: path(key),
        };
        match Endpoint::bind(config) {
            Err(BindError::Identity(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let error = bind("absent.pem", "other.pem");
    assert!(matches!(error, IdentityError::Read { .. }), "{error}");
    assert!(error.to_string().contains("absent.pem"));
    let error = bind("empty.pem", "other.pem");
    assert!(
        matches!(error, IdentityError::NoCertificate { .. }),
        "{error}"
    );
    let error = bind("chain.pem", "empty.pem");
    assert!(error.to_string().contains("empty.pem"), "{error}");
    let error = bind("chain.pem", "other.pem");
    assert!(matches!(error, IdentityError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("other.pem"));
}

#[tokio::test]
async fn nobody_is_invited_to_an_endpoint_that_only_connects() {
    let client = endpoint_with(|config| config.identity = Identity::ClientOnly);
    assert!(client.certificate_hashes().is_empty());
    let refused = client.invite(scripted().0).unwrap_err();
    assert_eq!(refused, InviteError::ClientOnly);
    let server = endpoint();
    let trust = Trust::Hashes(server.certificate_hashes());
    connects(&client, &server, trust).await.unwrap();
}

fn write_pem(path: &std::path::Path, label: &str, der: &[u8]) {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let pem = format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    );
    fs::write(path, pem).unwrap();
}
