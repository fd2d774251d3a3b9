//! TLS before a server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// One for its address, valid now.
    Good,
    /// One for another host.
    OtherHost,
    /// One that was valid in 1999.
    Expired,
}

/// A certification authority, made anew each time.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server that speaks TLS and passes on what it is told to another one, until it is dropped.
pub struct Secured {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

impl Authority {
    /// A new authority.
    pub fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut parameters = CertificateParams::new(Vec::new()).map_err(failed)?;
        parameters.distinguished_name.push(DnType::CommonName, "authority of a test");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = parameters.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { pem, issuer: Issuer::new(parameters, key) })
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Puts TLS before a server on the loopback, whose address is `http://127.0.0.1:PORT`.
    pub fn secure(&self, server: &str, certificate: Certificate) -> io::Result<Secured> {
        let server: SocketAddr =
            server.trim_start_matches("http://").trim_end_matches('/').parse().map_err(failed)?;
        let host = match certificate {
            Certificate::OtherHost => "other.example.com",
            _ => "127.0.0.1",
        };
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).map_err(failed)?;
        if certificate == Certificate::Expired {
            parameters.not_before = date_time_ymd(1999, 1, 1);
            parameters.not_after = date_time_ymd(1999, 12, 31);
        }
        let key = KeyPair::generate().map_err(failed)?;
        let shown = parameters.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![shown.der().clone()], key)
            .map_err(failed)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not like the certificate leaves.
                    let mut client = acceptor.accept(stream).await?;
                    let mut server = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(Secured { address, runtime: Some(runtime) })
    }
}

impl Secured {
    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        // Connections that are still open are not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
