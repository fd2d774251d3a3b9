//! The network client.

use std::sync::Arc;

use tokio::runtime::Handle;
use url::Url;

use crate::{Error, Options, Proxy};

/// A network client. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) runtime: Handle,
    pub(crate) http: reqwest::Client,
    pub(crate) options: Arc<Options>,
}

impl Client {
    /// A client on a runtime, which must run on threads of its own (`Builder::new_multi_thread`)
    /// with I/O and time enabled. The client blocks the threads that call it; they must not be
    /// threads of that runtime.
    pub fn new(runtime: Handle, options: Options) -> Result<Self, Error> {
        let problem = |error: reqwest::Error| Error::Client { problem: causes(&error) };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("pkg/", env!("CARGO_PKG_VERSION"), " (cargo xtask)"))
            .connect_timeout(options.connect_timeout)
            .tcp_keepalive(options.keepalive)
            .redirect(reqwest::redirect::Policy::limited(options.redirections))
            .pool_max_idle_per_host(options.parallel)
            .no_proxy();
        let except = options.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        for proxy in &options.proxies {
            let made = match proxy {
                Proxy::Http(url) => reqwest::Proxy::http(url.clone()),
                Proxy::Https(url) => reqwest::Proxy::https(url.clone()),
                Proxy::All(url) => reqwest::Proxy::all(url.clone()),
            };
            builder = builder.proxy(made.map_err(problem)?.no_proxy(except.clone()));
        }
        for path in &options.authorities {
            let refuse = |source: Box<dyn std::error::Error + Send + Sync>| Error::Authority {
                path: path.clone(),
                source,
            };
            let pem = std::fs::read(path).map_err(|error| refuse(error.into()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| refuse(error.into()))?;
            if certificates.is_empty() {
                return Err(refuse("there is no certificate in it".into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        // The runtime's context is needed for timers.
        let _context = runtime.enter();
        let http = builder.build().map_err(problem)?;
        Ok(Self { runtime, http, options: Arc::new(options) })
    }

    /// The client below, with its proxies and authorities, for what is not fetching.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The runtime that drives it.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Whether an address is one this client can use.
    pub fn supports(url: &Url) -> bool {
        matches!(url.scheme(), "http" | "https") && url.has_host()
    }
}

/// The causes of an error, which say what its own message leaves out. That names the address, which
/// is printed beside.
pub fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            if !text.is_empty() {
                text += ": ";
            }
            text += &part;
        }
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}
