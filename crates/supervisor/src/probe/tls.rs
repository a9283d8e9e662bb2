//! Whom a look over HTTPS trusts.
//!
//! Over the loopback interface: anybody. What listens there runs on this machine, and an app that brings its own
//! certificate, or the one of its public name, is as well as any other. The address that was really connected to
//! decides, not the name. Everywhere else the certificate has to be one that this machine trusts.

use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// Whose certificates are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Everybody's.
    Anybody,
    /// Those that this machine trusts.
    Known,
}

impl Trust {
    /// Whom to trust at the other end of a connection.
    pub(super) fn of(stream: &TcpStream) -> Self {
        match stream.peer_addr() {
            Ok(peer) if peer.ip().to_canonical().is_loopback() => Self::Anybody,
            _ => Self::Known,
        }
    }

    async fn verifier(self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
        match self {
            Self::Anybody => Ok(Arc::new(Anybody(provider))),
            Self::Known => trusted_by_this_machine(provider).await,
        }
    }
}

/// Makes a connection secure. The error is the part of a sentence after the colon.
pub(super) async fn secure(
    stream: TcpStream,
    host: &str,
    trust: Trust,
) -> Result<TlsStream<TcpStream>, String> {
    let provider = Arc::new(ring::default_provider());
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let configuration = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(trust.verifier(provider).await?)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(configuration));
    connector.connect(name, stream).await.map_err(|error| error.to_string())
}

/// The machine's certificates are read from files, and for each look anew: they are a megabyte in memory, and
/// somebody may have added the one that was missing.
async fn trusted_by_this_machine(
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let read = spawn_blocking(move || Verifier::new(provider)).await.map_err(|error| error.to_string())?;
    Ok(Arc::new(read.map_err(|error| error.to_string())?))
}

/// Accepts every certificate, as long as the other side has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
