//! A certificate and its key as files: read, checked before they are shown, and looked at again for a renewal.
//!
//! Feeds [`super::identity`]; what connects reads the authorities that it is to trust here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::ObjectIdentifier;

use super::identity::hash_of;
use crate::{CertificateHash, IdentityError, Validity};

/// The longest validity that browsers take by hash (W3C WebTransport, "certificate validity").
const BY_HASH_AT_MOST: Duration = Duration::from_secs(14 * 24 * 3600);
/// `id-ecPublicKey` and `secp256r1` (RFC 5480 §2.1.1): the one kind of key that every browser takes by hash.
const ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Where a certificate and its key are, and as of when they were last read.
#[derive(Debug)]
pub(super) struct Files {
    certificates: PathBuf,
    key: PathBuf,
    stamp: Stamp,
}

/// What changes when a file is written again: when it was, and its length. `None`: it is not there.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// What they hold.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) key: Arc<CertifiedKey>,
    /// Of a certificate that browsers take by its hash.
    pub(super) hash: Option<CertificateHash>,
}

impl Files {
    /// Reads both.
    pub(super) fn open(
        certificates: &Path,
        key: &Path,
        now: SystemTime,
    ) -> Result<(Self, Loaded), IdentityError> {
        let mut files = Self {
            certificates: certificates.to_path_buf(),
            key: key.to_path_buf(),
            stamp: [None; 2],
        };
        files.stamp = files.stamp_now();
        let loaded = files.load(now)?;
        Ok((files, loaded))
    }

    /// Reads both again if either was written since. What is wrong with them is said once for each time they are written.
    pub(super) fn read_again(&mut self, now: SystemTime) -> Option<Result<Loaded, IdentityError>> {
        // Before they are read: what is written while they are is read the next time.
        let stamp = self.stamp_now();
        if stamp == self.stamp {
            return None;
        }
        self.stamp = stamp;
        Some(self.load(now))
    }

    fn stamp_now(&self) -> Stamp {
        [&self.certificates, &self.key].map(|path| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
    }

    fn load(&self, now: SystemTime) -> Result<Loaded, IdentityError> {
        let path = &self.certificates;
        let chain = read_certificates(path)?;
        let about = |reason: String| IdentityError::Read {
            what: "certificates",
            path: path.clone(),
            reason,
        };
        let (validity, is_p256) = described(&chain[0]).map_err(about)?;
        if !validity.holds(now) {
            return Err(IdentityError::OutOfDate {
                path: path.clone(),
                validity,
                now,
            });
        }
        let lasts = validity.not_after.duration_since(validity.not_before);
        let by_hash = is_p256 && lasts.is_ok_and(|lasts| lasts <= BY_HASH_AT_MOST);
        let hash = by_hash.then(|| hash_of(&chain[0]));
        let private = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| unreadable("the private key", &self.key, &error))?;
        let key = CertifiedKey::from_der(chain, private, &default_provider());
        let key = key.map_err(|error| IdentityError::Mismatch {
            certificates: path.clone(),
            key: self.key.clone(),
            reason: match error {
                rustls::Error::InconsistentKeys(_) => "it is another certificate's".to_owned(),
                error => error.to_string(),
            },
        })?;
        Ok(Loaded {
            key: Arc::new(key),
            hash,
        })
    }
}

/// From when until when a certificate is good, and whether its key is one for ECDSA with P-256.
fn described(certificate: &CertificateDer<'_>) -> Result<(Validity, bool), String> {
    let parsed = x509_cert::Certificate::from_der(certificate)
        .map_err(|error| format!("its first certificate is malformed: {error}"))?;
    let about = parsed.tbs_certificate();
    let validity = Validity {
        not_before: about.validity().not_before.to_system_time(),
        not_after: about.validity().not_after.to_system_time(),
    };
    let algorithm = &about.subject_public_key_info().algorithm;
    let curve = algorithm.parameters.as_ref();
    let is_p256 = algorithm.oid == ECDSA
        && curve.is_some_and(|curve| curve.decode_as() == Ok::<ObjectIdentifier, _>(P256));
    Ok((validity, is_p256))
}

/// A file's certificates, one at least.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let all: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable("certificates", path, &error))?;
    if all.is_empty() {
        return Err(IdentityError::NoCertificate {
            path: path.to_path_buf(),
        });
    }
    Ok(all)
}

fn unreadable(what: &'static str, path: &Path, error: &PemError) -> IdentityError {
    IdentityError::Read {
        what,
        path: path.to_path_buf(),
        reason: match error {
            PemError::NoItemsFound => "there is none in it".to_owned(),
            PemError::Io(error) => error.to_string(),
            error => error.to_string(),
        },
    }
}

/// The certificates of a PEM file, as [`Trust::SystemAnd`](crate::Trust::SystemAnd) takes them.
///
/// # Errors
/// [`IdentityError`]: it cannot be read, or holds none.
pub fn read_authorities(path: &Path) -> Result<Vec<Vec<u8>>, IdentityError> {
    let all = read_certificates(path)?;
    Ok(all.iter().map(|it| it.to_vec()).collect())
}
