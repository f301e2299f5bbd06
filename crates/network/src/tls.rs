//! TLS 1.3 with raw Ed25519 public keys (RFC 7250), pinned both ways: no certificate, no name, no expiry.

use crate::identity::key_of_spki;
use crate::{NetworkError, NetworkIdentity};
use btn_types::B256;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::{
    DigitallySignedStruct, DistinguishedName, OtherError, PeerIncompatible, SignatureScheme, version,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use thiserror::Error;

/// The key presented is not one of those expected. The text travels to the other side as the reason.
#[derive(Debug, Error)]
enum PinError {
    #[error(
        "network key {0} belongs to no peer configured here; compare the node's key file with `network_key` \
         in its registry entry (both nodes need the same genesis file)"
    )]
    Stranger(B256),
    #[error(
        "the node at this address has network key {actual}, the registry says {expected}; either another \
         node answers there, or its key file is not the registered one"
    )]
    OtherNode { actual: B256, expected: B256 },
    #[error("the node at the other end presented no Ed25519 raw public key")]
    NotEd25519,
}

impl From<PinError> for rustls::Error {
    fn from(error: PinError) -> Self {
        Self::Other(OtherError(Arc::new(error)))
    }
}

/// What both directions check: the key is pinned, and its owner signed this handshake.
#[derive(Debug)]
struct Pins {
    keys: BTreeSet<B256>,
    provider: Arc<CryptoProvider>,
    /// A client expects exactly one key, and its error names it.
    is_client: bool,
}

impl Pins {
    fn check(&self, presented: &CertificateDer<'_>) -> Result<(), PinError> {
        let actual = key_of_spki(presented).ok_or(PinError::NotEd25519)?;
        if self.keys.contains(&actual) {
            return Ok(());
        }
        match self.keys.first() {
            Some(&expected) if self.is_client => Err(PinError::OtherNode { actual, expected }),
            _ => Err(PinError::Stranger(actual)),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        presented: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let spki = SubjectPublicKeyInfoDer::from(presented.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
    }
}

impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pins {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn tls_error(error: impl ToString) -> NetworkError {
    NetworkError::Tls(error.to_string())
}

fn pins(keys: BTreeSet<B256>, is_client: bool) -> Arc<Pins> {
    Arc::new(Pins { keys, provider: Arc::new(aws_lc_rs::default_provider()), is_client })
}

/// TLS for the accepting side: only these keys may connect. No resumption: each connection proves its key.
pub(crate) fn server_config(
    local: &NetworkIdentity,
    peers: BTreeSet<B256>,
    alpn: &[u8],
) -> Result<quinn::crypto::rustls::QuicServerConfig, NetworkError> {
    let pins = pins(peers, false);
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&pins.provider))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(tls_error)?
        .with_client_cert_verifier(pins)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(local.certified_key())));
    config.alpn_protocols = vec![alpn.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.try_into().map_err(tls_error)
}

/// TLS for dialling the one peer that holds this key.
pub(crate) fn client_config(
    local: &NetworkIdentity,
    peer: B256,
    alpn: &[u8],
) -> Result<quinn::crypto::rustls::QuicClientConfig, NetworkError> {
    let pins = pins(BTreeSet::from([peer]), true);
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&pins.provider))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(tls_error)?
        .dangerous()
        .with_custom_certificate_verifier(pins)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(local.certified_key())));
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config.try_into().map_err(tls_error)
}

/// The key the other side proved, after the handshake.
pub(crate) fn peer_key(connection: &quinn::Connection) -> Option<B256> {
    let identity = connection.peer_identity()?;
    let presented = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    key_of_spki(presented.first()?)
}
