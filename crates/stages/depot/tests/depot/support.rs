//! A small repository, its depot, and an image installed from it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use depot::{Depot, Options, Server};
use fetch::{Client, Fetcher};
use ips::{
    Error, InstallOptions, Origin, Publication, Publisher, Repository, Timestamp, Variants,
    create_image, publish, set_publisher,
};
use misbehaving_depot::MisbehavingDepot;
use proto::{Digest, Proto};
use store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

const HELLO: &str = "\
    set name=pkg.fmri value=pkg:/app/hello@1.0-3.1\n\
    set name=pkg.summary value=hello\n\
    dir path=usr/bin owner=root group=bin mode=0755\n\
    file path=usr/bin/hello owner=root group=bin mode=0555\n\
    file path=usr/bin/large owner=root group=bin mode=0555\n\
    file path=usr/bin/empty owner=root group=bin mode=0444\n\
    license LICENSE license=MIT\n\
    depend fmri=lib/c type=require\n";
const LIBC: &str = "\
    set name=pkg.fmri value=pkg:/lib/c@2.0-3.1\n\
    dir path=usr/lib owner=root group=bin mode=0755\n\
    file path=usr/lib/libc.so.1 owner=root group=bin mode=0755\n\
    link path=usr/lib/libc.so target=libc.so.1\n";
const OLD: &str = "\
    set name=pkg.fmri value=pkg://extra/old@0.9-1\n\
    file path=usr/lib/old owner=root group=bin mode=0755\n";

/// A repository with two publishers.
pub(crate) struct Site {
    directory: TempDir,
    pub(crate) repository: Repository,
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

pub(crate) fn online(store: &Path) -> Fetcher {
    let options = fetch::Options {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        stall_timeout: Duration::from_millis(400),
        attempts: 4,
        ..fetch::Options::default()
    };
    let client = Client::new(runtime().handle().clone(), options).unwrap();
    Fetcher::online(Store::open(store).unwrap(), client)
}

impl Site {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        // Does not compress well.
        let large: Vec<u8> =
            (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for (path, bytes) in [
            ("files/usr/bin/hello", "hello\n".repeat(100).as_bytes()),
            ("files/usr/bin/large", &large),
            ("files/usr/bin/empty", b""),
            ("files/usr/lib/libc.so.1", &large[1000..]),
            ("files/usr/lib/old", b"old"),
            ("files/LICENSE", b"do what you like\n"),
            ("hello.p5m", HELLO.as_bytes()),
            ("libc.p5m", LIBC.as_bytes()),
            ("old.p5m", OLD.as_bytes()),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let mut repository = Repository::create(root.join("repo"), "example.com").unwrap();
        let mut publication = Publication::new("example.com", time());
        publication.content = vec![root.join("files")];
        let manifests = ["hello.p5m", "libc.p5m", "old.p5m"].map(|name| root.join(name));
        publish(&mut repository, &publication, &manifests).unwrap();
        Self { directory, repository }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn time(&self) -> Timestamp {
        time()
    }

    /// The payloads of a publisher, sorted.
    pub(crate) fn payloads(&self, publisher: &str) -> Vec<String> {
        let mut names = Vec::new();
        let files = self.path(&format!("repo/publisher/{publisher}/file"));
        for two in fs::read_dir(files).unwrap() {
            for file in fs::read_dir(two.unwrap().path()).unwrap() {
                names.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        names.sort();
        names
    }

    pub(crate) fn payload_path(&self, publisher: &str, payload: &str) -> PathBuf {
        self.path(&format!("repo/publisher/{publisher}/file/{}/{payload}", &payload[..2]))
    }

    /// A depot that misbehaves. The files of a repository lie as a depot names them.
    pub(crate) fn misbehaving(&self) -> MisbehavingDepot {
        let publishers = self.path("repo/publisher");
        MisbehavingDepot::start(move |path| {
            let words: Vec<&str> = path.trim_matches('/').split('/').collect();
            let file = match words[..] {
                ["versions", "0"] => {
                    return Some(b"pkg-server 1\ncatalog 1\nfile 0 1\nmanifest 0\npublisher 0 1\n".to_vec());
                }
                ["publisher", "1"] => {
                    let text = r#"{"packages":[],"publishers":[{"name":"example.com"},{"name":"extra"}],"version":1}"#;
                    return Some(text.as_bytes().to_vec());
                }
                [publisher, "catalog", "1", name] => publishers.join(publisher).join("catalog").join(name),
                [publisher, "manifest", "0", name] => {
                    let (stem, version) = name.split_once('@')?;
                    publishers.join(publisher).join("pkg").join(stem).join(version)
                }
                [publisher, "file", "1", name] => {
                    publishers.join(publisher).join("file").join(&name[..2]).join(name)
                }
                _ => return None,
            };
            fs::read(file).ok()
        })
        .unwrap()
    }

    pub(crate) fn online(&self) -> Fetcher {
        online(&self.path("store"))
    }

    pub(crate) fn offline(&self) -> Fetcher {
        Fetcher::offline(Store::open(self.path("store")).unwrap())
    }

    pub(crate) fn open(&self, url: &str) -> Result<Depot, Error> {
        Depot::open(&url.parse().unwrap(), self.online(), &Options::default())
    }

    pub(crate) fn open_offline(&self, url: &str) -> Result<Depot, Error> {
        Depot::open(&url.parse().unwrap(), self.offline(), &Options::default())
    }

    /// An image with `app/hello`.
    pub(crate) fn install(&self, origin: &dyn Origin) -> Result<Proto, Error> {
        install(self.directory.path(), origin)
    }
}

/// An image with `app/hello`, its contents in a directory below the given one.
pub(crate) fn install(directory: &Path, origin: &dyn Origin) -> Result<Proto, Error> {
    let contents = tempfile::tempdir_in(directory).unwrap().keep();
    let mut proto = Proto::new(proto::Store::create(contents).unwrap());
    create_image(&mut proto, Variants::for_zone("global"), time()).unwrap();
    set_publisher(&mut proto, Publisher::new("example.com", "file:///repo/"), time()).unwrap();
    let options = InstallOptions { date: time() };
    ips::install(&mut proto, &["app/hello".to_owned()], &[origin], &options)?;
    Ok(proto)
}

pub(crate) fn time() -> Timestamp {
    "20260102T030405Z".parse().unwrap()
}

/// Everything that is in an image: paths, digests.
pub(crate) fn listing(proto: &Proto) -> String {
    let mut text = String::new();
    for (path, entry) in proto.manifest.iter() {
        text += &format!("{path} {entry:?}\n");
    }
    text
}

/// Everything an origin has, in text.
pub(crate) fn everything(origin: &dyn Origin) -> String {
    let mut all = String::new();
    for fmri in origin.packages() {
        all += &format!("{}\n{}", fmri.long(), origin.manifest_text(fmri).unwrap());
        let publisher = fmri.publisher.as_deref().unwrap();
        for action in origin.manifest(fmri).unwrap().actions() {
            if action.payload.is_some() {
                let mut bytes = Vec::new();
                origin.payload(publisher, action).unwrap().read_to_end(&mut bytes).unwrap();
                all += &format!("{action} {}\n", Digest::of(&bytes));
            }
        }
    }
    all
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// A server that runs until this is dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    stop: Option<oneshot::Sender<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }
}

pub(crate) fn serve(server: Server) -> Served {
    let _context = runtime().enter();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    runtime().spawn(async move {
        let stopped = async move { drop(stopped.await) };
        server.run(listener, stopped, |_, _, _| {}).await.unwrap();
    });
    Served { url, stop: Some(stop) }
}
