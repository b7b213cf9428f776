//! TLS by rustls.

use std::{
    error::Error,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use rustls_native_certs::load_native_certs;
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, AlertDescription, CertificateError, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use super::node::InvalidRedis;
use crate::backend::redis::error::Remedy;

/// The trusted authorities, and the client certificate.
#[derive(Clone, Default)]
pub(super) struct Tls {
    /// Authorities that are trusted instead of those of the system, if there are any.
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Arc<Identity>>,
    /// Kept, because reading the authorities of the system takes milliseconds.
    connector: Arc<Mutex<Option<TlsConnector>>>,
}

struct Identity {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorities, identity, connector: _ } = self;
        f.debug_struct("Tls")
            .field("authorities", &authorities.len())
            .field("identity", &identity.is_some())
            .finish()
    }
}

impl Tls {
    pub(super) fn trust(&mut self, pem: &[u8]) -> Result<(), InvalidRedis> {
        self.authorities.extend(certificates(pem)?);
        self.connector = Arc::default();
        Ok(())
    }

    pub(super) fn identify(&mut self, certificate: &[u8], key: &[u8]) -> Result<(), InvalidRedis> {
        let certificates = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| InvalidRedis::Key { reason: error.to_string() })?;
        self.identity = Some(Arc::new(Identity { certificates, key }));
        self.connector = Arc::default();
        // Check that the certificate and the key belong together.
        self.config(RootCertStore::empty())
            .map_err(|error| InvalidRedis::Key { reason: error.to_string() })?;
        Ok(())
    }

    pub(super) async fn wrap(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connected = self.connector().await?.connect(name, stream).await;
        if connected.is_err() {
            // The authorities of the system may have changed since.
            *self.kept() = None;
        }
        connected
    }

    async fn connector(&self) -> io::Result<TlsConnector> {
        if let Some(connector) = &*self.kept() {
            return Ok(connector.clone());
        }
        let mut roots = RootCertStore::empty();
        if self.authorities.is_empty() {
            let mut system = spawn_blocking(load_native_certs).await?;
            roots.add_parsable_certificates(system.certs);
            if let (true, Some(error)) = (roots.is_empty(), system.errors.pop()) {
                return Err(io::Error::other(error));
            }
        }
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(io::Error::other)?;
        }
        let connector = TlsConnector::from(Arc::new(self.config(roots).map_err(io::Error::other)?));
        *self.kept() = Some(connector.clone());
        Ok(connector)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<TlsConnector>> {
        self.connector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn config(&self, roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
        // Name the provider, because a program with several providers of cryptography has no
        // default.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        Ok(match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => config
                .with_client_auth_cert(identity.certificates.clone(), identity.key.clone_key())?,
        })
    }
}

/// Returns the remedy for a failed connection, by the error of rustls within it.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Remedy {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // `redis` shares its causes, and a shared cause has the source of the error within it.
        let error = match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(shared) => &**shared as &(dyn Error + 'static),
            None => error,
        };
        // The source of an I/O error is that of the error within it, so that one is skipped.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = match within {
            Some(within) => within.downcast_ref::<rustls::Error>(),
            None => error.downcast_ref(),
        };
        match tls {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                return Remedy::TrustAuthority;
            }
            Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
                return Remedy::SetCertificate;
            }
            _ => cause = error.source(),
        }
    }
    Remedy::OfKind
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidRedis> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(InvalidRedis::Certificate { reason: "there is none".to_owned() }),
        Err(error) => Err(InvalidRedis::Certificate { reason: error.to_string() }),
    }
}
