//! The certificate that is shown: made here and renewed, or read from files. TLS asks this at every handshake.
//!
//! Two self-signed ones exist at any time, the one shown and the next; `crate::certificate` says when the next takes over.
//! Sessions that stand live on: a certificate counts at the handshake alone.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::{Files, Loaded};
use crate::certificate::Rotation;
use crate::{CertificateHash, Identity, IdentityError, Validity};

/// Shows the certificate of the moment. For an HTTP server beside the lanes too: it is what rustls's
/// `with_cert_resolver` takes.
#[derive(Debug)]
pub struct CertificateResolver {
    names: Vec<String>,
    shown: RwLock<Shown>,
    /// Of a certificate from files.
    files: Option<Mutex<Files>>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    /// Of a certificate from files that browsers take by its hash.
    hash: Option<CertificateHash>,
    /// Of a self-signed certificate: its successor, and when that takes over.
    made: Option<Made>,
}

#[derive(Debug)]
struct Made {
    hash: CertificateHash,
    next: Arc<CertifiedKey>,
    next_hash: CertificateHash,
    rotation: Rotation,
}

impl CertificateResolver {
    /// `None` for an endpoint that shows none.
    pub(super) fn new(identity: &Identity, now: SystemTime) -> Result<Option<Self>, IdentityError> {
        match identity {
            Identity::ClientOnly => Ok(None),
            Identity::SelfSigned { names } => {
                let (key, hash) = generate(names, now)?;
                let shown = Shown {
                    key,
                    hash: None,
                    made: Some(Made::successor(hash, names, now)?),
                };
                Ok(Some(Self {
                    names: names.clone(),
                    shown: RwLock::new(shown),
                    files: None,
                }))
            }
            Identity::Pem { certificates, key } => {
                Self::from_files(certificates, key, now).map(Some)
            }
        }
    }

    /// Shows the certificate of these files, as [`Identity::Pem`] does. `now` must be within its time.
    ///
    /// # Errors
    /// [`IdentityError`] says what is wrong with which file.
    pub fn from_files(
        certificates: &Path,
        key: &Path,
        now: SystemTime,
    ) -> Result<Self, IdentityError> {
        let (files, loaded) = Files::open(certificates, key, now)?;
        Ok(Self {
            names: Vec::new(),
            shown: RwLock::new(loaded.into()),
            files: Some(Mutex::new(files)),
        })
    }

    /// SHA-256 of the certificate that is shown and of the one that will be: both are to be told to peers. Of one from files
    /// only where browsers take it by its hash (ECDSA with P-256, fourteen days at most); others are checked by name.
    #[must_use]
    pub fn hashes(&self) -> Vec<CertificateHash> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let made = shown.made.as_ref();
        let made = made.map(|made| vec![made.hash, made.next_hash]);
        made.unwrap_or_else(|| shown.hash.into_iter().collect())
    }

    /// Lets the next certificate take over if its time has come, and makes the one after it; reads files again that were
    /// written since. Says whether another is shown now.
    ///
    /// # Errors
    /// [`IdentityError`]: there is none that could be shown; the present one stays. It is said once for each time that the
    /// files are written.
    pub fn renew_if_due(&self, now: SystemTime) -> Result<bool, IdentityError> {
        if let Some(files) = &self.files {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(loaded) = files.read_again(now) else {
                return Ok(false);
            };
            let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
            *shown = loaded?.into();
            return Ok(true);
        }
        if !self.rotation().is_some_and(|rotation| rotation.is_due(now)) {
            return Ok(false);
        }
        // Made without the lock: handshakes go on.
        let (fresh, fresh_hash) = generate(&self.names, now)?;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        let Some(made) = shown.made.as_mut() else {
            return Ok(false);
        };
        let key = std::mem::replace(&mut made.next, fresh);
        made.hash = std::mem::replace(&mut made.next_hash, fresh_hash);
        made.rotation = Rotation::starting(now);
        shown.key = key;
        Ok(true)
    }

    fn rotation(&self) -> Option<Rotation> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.made.as_ref().map(|made| made.rotation)
    }
}

impl From<Loaded> for Shown {
    fn from(loaded: Loaded) -> Self {
        Self {
            key: loaded.key,
            hash: loaded.hash,
            made: None,
        }
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown.key))
    }
}

impl Made {
    fn successor(
        hash: CertificateHash,
        names: &[String],
        now: SystemTime,
    ) -> Result<Self, IdentityError> {
        let (next, next_hash) = generate(names, now)?;
        Ok(Self {
            hash,
            next,
            next_hash,
            rotation: Rotation::starting(now),
        })
    }
}

/// SHA-256 of a certificate.
pub(super) fn hash_of(certificate: &CertificateDer<'_>) -> CertificateHash {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    CertificateHash(hash)
}

/// A self-signed certificate as `serverCertificateHashes` wants it: ECDSA P-256, at most fourteen days.
fn generate(
    names: &[String],
    now: SystemTime,
) -> Result<(Arc<CertifiedKey>, CertificateHash), IdentityError> {
    let failed = |reason: String| IdentityError::Generate {
        names: names.to_vec(),
        reason,
    };
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    all.extend(names.iter().filter(|name| !name.is_empty()).cloned());
    let mut params = CertificateParams::new(all).map_err(|error| failed(error.to_string()))?;
    let validity = Validity::of_one_made_at(now);
    params.not_before = validity.not_before.into();
    params.not_after = validity.not_after.into();
    params
        .distinguished_name
        .push(DnType::CommonName, "Frameway lane");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|error| failed(error.to_string()))?;
    let certificate = params
        .self_signed(&key)
        .map_err(|error| failed(error.to_string()))?;
    let der = certificate.der().clone();
    let hash = hash_of(&der);
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| failed(error.into()))?;
    let key = CertifiedKey::from_der(vec![der], key, &default_provider())
        .map_err(|error| failed(error.to_string()))?;
    Ok((Arc::new(key), hash))
}
