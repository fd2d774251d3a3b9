//! `cargo xtask upload`: a repository onto a rack.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tuf::{Outcome, VerifyOptions};
use upload::{Api, Destination, Event, Options, Progress, SshOptions, Token};

use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::network::Network;
use crate::printer::{self, Printer};

/// Deliver a repository: to Wicket over SSH, to wicketd or Nexus over HTTP.
///
/// The repository is verified first. SSH uses the system's `ssh` with your configuration, agent,
/// keys and known hosts; an unknown host key is asked about at a terminal and refused otherwise. A
/// transfer that breaks begins again from the start.
///
/// Exit status 0: the far side has it; 1: refused by the verification, nothing was sent; 3: not
/// delivered, the message says what the far side said.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  cargo xtask upload repo.zip --to ssh://wicket@fdb1:a840:2504:396::3
  cargo xtask upload repo.zip --to http://127.0.0.1:12234
  cargo xtask upload repo.zip --to https://oxide.example.com --token-file token

The service behind http and https follows from --api, else from the path of the address, else from
whether there is a token: only Nexus wants one.")]
pub(crate) struct Arguments {
    /// Where to: `ssh://[USER@]HOST[:PORT]`, `http://HOST[:PORT]` or `https://HOST[:PORT]`
    #[arg(long, value_name = "URL")]
    to: String,

    /// Which service is there
    #[arg(long, value_enum)]
    api: Option<Service>,

    /// A file with the token that Nexus wants
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// A private key for SSH, beside those that ssh finds itself
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,

    /// A configuration for SSH in place of yours
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,

    /// Ask nothing at the terminal: what would have to be asked fails
    #[arg(long)]
    batch: bool,

    /// The trusted root; without one the repository's own is taken on trust
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// Verify as a part of a repository: no OS images needed
    #[arg(long)]
    partial: bool,

    /// Send without verifying
    #[arg(long, conflicts_with_all = ["trust_root", "partial"])]
    no_verify: bool,

    /// How often a transfer is begun, at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,

    /// Seconds without progress after which a transfer is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    stall: u64,

    /// Seconds that the far side may take to look at what it got
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    answer: u64,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// The repository
    zip: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Service {
    /// The update service of a rack's technician port
    Wicketd,
    /// The control plane
    Nexus,
}

impl Arguments {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitStatus, Failure> {
        for path in [
            Some(&self.zip),
            self.token_file.as_ref(),
            self.identity.as_ref(),
            self.ssh_config.as_ref(),
        ]
        .into_iter()
        .chain([self.trust_root.as_ref()])
        .flatten()
        {
            if !path.exists() {
                return Err(Failure::missing(format!("{} is missing", path.display())));
            }
        }
        let api = self.api.map(|service| match service {
            Service::Wicketd => Api::Wicketd,
            Service::Nexus => Api::Nexus,
        });
        let destination =
            Destination::parse(&self.to, api, self.token_file.is_some()).map_err(Failure::usage)?;
        let token = self.token_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            Token::new(&text).map_err(|problem| format!("{}: {problem}", path.display()))
        });
        let token = token.transpose().map_err(Failure::usage)?;
        // Before it is looked at for long.
        let size = std::fs::metadata(&self.zip).map_or(0, |metadata| metadata.len());
        if size > upload::LIMIT {
            return Err(Failure::new(upload::Error::TooLarge {
                path: self.zip,
                size,
                limit: upload::LIMIT,
            }));
        }
        let mut options = Options {
            stall: Duration::from_secs(self.stall),
            answer: Duration::from_secs(self.answer),
            attempts: self.attempts,
            token,
            ssh: SshOptions {
                config: self.ssh_config.clone(),
                identity: self.identity.clone(),
                interactive: !self.batch && std::io::stdin().is_terminal(),
                ..SshOptions::default()
            },
            ..Options::default()
        };
        if !self.no_verify && !self.verify(&mut options, printer)? {
            return Ok(ExitStatus::Findings);
        }
        let network = Network::default();
        let client = match &destination {
            Destination::Http { .. } => Some(network.client()?),
            _ => None,
        };
        let mut show = Show::new(printer);
        let delivered =
            upload::upload(&self.zip, &destination, &options, client.as_ref(), &mut |event| {
                show.event(event);
            });
        show.end();
        let delivered = delivered.map_err(explain)?;
        if self.json {
            printer.json(&delivered)?;
        } else {
            printer.good(
                "delivered",
                format_args!("{} to {}", printer::bytes(delivered.size), delivered.to),
            );
            if !delivered.answer.is_empty() && matches!(destination, Destination::Http { .. }) {
                printer.result(&delivered.answer);
            }
        }
        Ok(ExitStatus::Success)
    }

    /// Whether the repository is good; what is found of it goes along.
    fn verify(&self, options: &mut Options, printer: &Printer) -> Result<bool, Failure> {
        let wanted = VerifyOptions {
            trust_root: self.trust_root.clone(),
            complete: !self.partial,
            ..VerifyOptions::at(Timestamp::now())
        };
        let report = tuf::verify(&self.zip, &wanted)?;
        options.expected = report.sha256;
        options.system_version.clone_from(&report.system_version);
        for warning in tuf::problem_lines(&report.warnings) {
            printer.warn(warning);
        }
        match report.outcome() {
            Outcome::Ok => {}
            // Racks do not look at the expiry.
            Outcome::Expired => {
                printer.warn("the repository has expired; racks take it all the same")
            }
            Outcome::Refused => {
                for problem in &report.problems {
                    printer.result(problem);
                }
                printer.say(format_args!(
                    "nothing was sent: {} is refused by its verification",
                    self.zip.display()
                ));
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What may help.
fn explain(error: upload::Error) -> Failure {
    use upload::Error;
    let hint = match &error {
        Error::HostKeyUnknown { .. } => {
            "connect once with ssh, compare the key's fingerprint, and accept it there"
        }
        Error::HostKeyChanged { .. } => {
            "find out why the key is another one; `ssh-keygen -R HOST` forgets the old"
        }
        Error::Login { .. } => "see --identity and --token-file, and `ssh-add -l`",
        Error::Stalled { .. } => "--stall gives it more time",
        Error::Silent { .. } => "--answer gives it more time; it may have the repository",
        Error::Destination { .. } => return Failure::usage(error),
        _ => return Failure::new(error),
    };
    Failure::new(error).hint(hint)
}

/// Shows what happens, on standard error.
struct Show<'a> {
    printer: &'a Printer,
    bar: Option<ProgressBar>,
    /// When a line was last printed, where there is no terminal.
    last: Option<Instant>,
}

/// How often a line is printed, where there is no terminal.
const LINES: Duration = Duration::from_secs(10);

impl<'a> Show<'a> {
    fn new(printer: &'a Printer) -> Self {
        let style = ProgressStyle::with_template("  {bar:30} {percent:>3}% {msg}");
        let bar = std::io::stderr().is_terminal().then(|| {
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { printer, bar, last: None }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Sent(progress) => self.sent(progress),
            Event::Waiting => self.say("sent; the far side looks at it"),
            Event::Said(line) => self.say(&format!("far side: {line}")),
            Event::Again { problem, pause } => {
                self.end();
                self.printer.warn(format_args!(
                    "{problem}; again from the start in {}",
                    printer::seconds(pause)
                ));
            }
            _ => {}
        }
    }

    fn sent(&mut self, progress: Progress) {
        let remaining = match progress.remaining() {
            Some(time) => format!("{}:{:02} left", time.as_secs() / 60, time.as_secs() % 60),
            None => "stalled".to_owned(),
        };
        let text = format!(
            "{} of {}, {}/s, {remaining}",
            printer::bytes(progress.sent),
            printer::bytes(progress.total),
            printer::bytes(progress.rate as u64)
        );
        match &self.bar {
            Some(bar) => {
                bar.set_length(progress.total);
                bar.set_position(progress.sent);
                bar.set_message(text);
            }
            None if self.last.is_none_or(|last| last.elapsed() >= LINES) => {
                self.last = Some(Instant::now());
                self.printer.say(text);
            }
            None => {}
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.printer.say(text)),
            None => self.printer.say(text),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
