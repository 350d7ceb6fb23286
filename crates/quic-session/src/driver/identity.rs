//! The certificate that is shown: made here and renewed, or read from files. TLS asks this at every handshake.
//!
//! Two self-signed ones exist at any time, the one shown and the next; `crate::certificate` says when the next takes over.
//! Sessions that stand live on: a certificate counts at the handshake alone.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::Rotation;
use crate::{CertificateHash, Identity, IdentityError, Validity};

/// Shows the certificate of the moment. For an HTTP server beside the lanes too: it is what rustls's
/// `with_cert_resolver` takes.
#[derive(Debug)]
pub struct CertificateResolver {
    names: Vec<String>,
    shown: RwLock<Shown>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
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
                    made: Some(Made::successor(hash, names, now)?),
                };
                Ok(Some(Self::showing(shown, names.clone())))
            }
            Identity::Pem { certificates, key } => {
                let key = Arc::new(load(certificates, key)?);
                Ok(Some(Self::showing(Shown { key, made: None }, Vec::new())))
            }
        }
    }

    fn showing(shown: Shown, names: Vec<String>) -> Self {
        Self {
            names,
            shown: RwLock::new(shown),
        }
    }

    /// SHA-256 of the certificate that is shown and of the one that will be: both are to be told to peers. None for
    /// certificates from files, which are checked by name.
    #[must_use]
    pub fn hashes(&self) -> Vec<CertificateHash> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let made = shown.made.as_ref();
        made.map_or_else(Vec::new, |made| vec![made.hash, made.next_hash])
    }

    /// Lets the next certificate take over if its time has come, and makes the one after it. Says whether it did.
    ///
    /// # Errors
    /// [`IdentityError`]: none could be made; the present ones stay.
    pub fn renew_if_due(&self, now: SystemTime) -> Result<bool, IdentityError> {
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

/// Reads a chain and its key.
fn load(certificates: &Path, key: &Path) -> Result<CertifiedKey, IdentityError> {
    let unreadable =
        |what, path: &Path, error: rustls::pki_types::pem::Error| IdentityError::Read {
            what,
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable("certificates", certificates, error))?;
    if chain.is_empty() {
        return Err(IdentityError::NoCertificate {
            path: certificates.to_path_buf(),
        });
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unreadable("the private key", key, error))?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| {
        IdentityError::Mismatch {
            certificates: PathBuf::from(certificates),
            key: PathBuf::from(key),
            reason: error.to_string(),
        }
    })
}
