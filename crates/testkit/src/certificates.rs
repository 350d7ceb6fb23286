//! An authority of its own and certificates that it issues: ECDSA with P-256, as PEM.
//!
//! What a test writes to the files that a server shows, and to the one that a client trusts.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair,
    PublicKeyData as _,
};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("no certificate for {names:?}: {source}")]
pub struct CertificateError {
    names: Vec<String>,
    source: rcgen::Error,
}

/// Issues certificates.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo) in base64, as browsers are told to take it.
    pub public_key_hash: String,
}

impl Authority {
    /// One that nobody else trusts, for thirty years.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let failed = |source| CertificateError {
            names: vec![name.to_owned()],
            source,
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// Its own certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for these DNS names and addresses, from an hour before `from` and for so long.
    ///
    /// # Errors
    /// [`CertificateError`]: a name that cannot be one.
    pub fn issue(
        &self,
        names: &[&str],
        from: SystemTime,
        lasting: Duration,
    ) -> Result<Issued, CertificateError> {
        let names: Vec<String> = names.iter().map(|&it| it.to_owned()).collect();
        let failed = |source| CertificateError {
            names: names.clone(),
            source,
        };
        let mut params = CertificateParams::new(names.clone()).map_err(failed)?;
        params.not_before = (from - Duration::from_secs(3600)).into();
        params.not_after = (from + lasting).into();
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            public_key_hash: STANDARD.encode(digest(&SHA256, &key.subject_public_key_info())),
        })
    }
}
