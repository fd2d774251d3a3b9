//! `cargo xtask pkg serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use depot::Server;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network;
use crate::printer::Printer;

/// Serve a repository or an archive as a read-only package depot over HTTP
///
/// Everything that pkg(7) needs to install is there: versions, publishers, catalogs, manifests,
/// payloads. There is no search. Packages that are published after the start are not seen. It runs
/// until it is interrupted; its address is printed on standard output.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask pkg serve ../img.repo
  cargo xtask pkg serve local.p5p --listen 192.0.2.7:8888
  pkg set-publisher -O http://127.0.0.1:10080/ helios-dev    (on the Helios machine)")]
pub(super) struct Serve {
    /// A file repository (a directory) or a .p5p archive
    #[arg(value_name = "REPO")]
    repository: PathBuf,

    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:10080")]
    listen: SocketAddr,

    /// Tell of each request on standard error
    #[arg(long, short)]
    verbose: bool,
}

impl Serve {
    pub(super) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        if !self.repository.exists() {
            let path = self.repository.display();
            return Err(Failure::missing(format!("{path} is missing")));
        }
        let server = Server::open(&self.repository).map_err(|error| match error {
            depot::Error::Packages(error) => failure(error),
            other => Failure::new(other),
        })?;
        let runtime = network::runtime()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(self.listen));
        let listener = listener.map_err(|error| {
            Failure::new(format!("cannot listen on {}: {error}", self.listen))
                .hint("--listen takes another address and port")
        })?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let _ = signals.forever().next();
            let _ = stop.send(());
        });
        printer.good(
            "serving",
            format_args!(
                "{} versions of packages of {}",
                server.packages(),
                server.publishers().join(", ")
            ),
        );
        printer.result(format_args!("http://{}/", listener.local_addr()?));
        let verbose = self.verbose;
        let note = move |method: &str, path: &str, status: u16| {
            if verbose {
                Printer::new().say(format_args!("{status} {method} {path}"));
            }
        };
        let stopped = async move { drop(stopped.await) };
        runtime.block_on(server.run(listener, stopped, note))?;
        Ok(ExitStatus::Success)
    }
}
