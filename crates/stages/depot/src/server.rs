//! A repository or an archive over HTTP.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ips::{CatalogAttributes, Origin, PackageArchive, Repository};
use tokio::net::TcpListener;

use crate::respond::respond;

/// What can go wrong with a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is to be served cannot be read.
    #[error(transparent)]
    Packages(#[from] ips::Error),
    /// A file of a catalog cannot be read.
    #[error("cannot read {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is nothing to serve.
    #[error("{} has no publishers, so that there is nothing to serve", .path.display())]
    Empty {
        /// The repository or archive.
        path: PathBuf,
    },
    /// Connections cannot be taken.
    #[error("cannot take connections")]
    Listen {
        /// The system's answer.
        source: io::Error,
    },
}

/// Something that is served: read-only, and as it was when it was opened.
pub struct Server {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) origin: Box<dyn Origin>,
    pub(crate) publishers: Vec<String>,
    /// The publisher of requests that name none.
    pub(crate) default: String,
    /// The files of the catalogs, by publisher and name.
    pub(crate) catalogs: BTreeMap<(String, String), Bytes>,
}

impl Server {
    /// Opens a file repository or a `.p5p` archive. Catalogs that are there are served as they
    /// are; others are made from the manifests.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let (origin, publishers, prefix): (Box<dyn Origin>, _, _) = if path.is_dir() {
            let repository = Repository::open(path)?;
            let publishers = repository.publishers().to_vec();
            let prefix = repository.prefix().map(str::to_owned);
            (Box::new(repository), publishers, prefix)
        } else {
            let archive = PackageArchive::open(path)?;
            let publishers = archive.publishers().to_vec();
            (Box::new(archive), publishers, None)
        };
        let Some(default) = prefix.or_else(|| publishers.first().cloned()) else {
            return Err(Error::Empty { path: path.to_owned() });
        };
        let mut catalogs = BTreeMap::new();
        for publisher in &publishers {
            let directory = path.join("publisher").join(publisher).join("catalog");
            let files = match directory.join(CatalogAttributes::FILE).exists() {
                true => stored(&directory)?,
                false => ips::catalog_files(&*origin, publisher)?,
            };
            for (name, text) in files {
                catalogs.insert((publisher.clone(), name), Bytes::from(text));
            }
        }
        Ok(Self { shared: Arc::new(Shared { origin, publishers, default, catalogs }) })
    }

    /// The publishers, by name.
    pub fn publishers(&self) -> &[String] {
        &self.shared.publishers
    }

    /// How many versions of packages there are.
    pub fn packages(&self) -> usize {
        self.shared.origin.packages().len()
    }

    /// Answers until `stop` is ready; what is being answered then is not waited for. `note` is
    /// told of each request: method, path, status.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        note: impl Fn(&str, &str, u16) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let note = Arc::new(note);
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                // One client that is gone again, or too many at this moment.
                Err(error) if is_passing(&error) => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    continue;
                }
                Err(source) => return Err(Error::Listen { source }),
            };
            let (shared, note) = (Arc::clone(&self.shared), Arc::clone(&note));
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let (shared, note) = (Arc::clone(&shared), Arc::clone(&note));
                    async move {
                        let (method, uri) = (request.method().clone(), request.uri().clone());
                        let response = respond(shared, request).await;
                        note(method.as_str(), uri.path(), response.status().as_u16());
                        Ok::<_, Infallible>(response)
                    }
                });
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a connection ended early");
                }
            });
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // EMFILE and ENFILE: connections that end give their files back.
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || matches!(error.raw_os_error(), Some(23 | 24))
}

/// The files of a catalog on disk.
fn stored(directory: &Path) -> Result<Vec<(String, String)>, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with("catalog.") || name.starts_with("update.") {
            let path = entry.path();
            files.push((name, fs::read_to_string(&path).map_err(failed(&path))?));
        }
    }
    Ok(files)
}
