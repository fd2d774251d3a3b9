//! To Wicket, through the system's `ssh`.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use proto::Digest;

use crate::payload::Payload;
use crate::progress::Meter;
use crate::send::Sent;
use crate::{Error, Event, Options};

/// How ssh is run.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// The program.
    pub program: PathBuf,
    /// A configuration in place of the user's.
    pub config: Option<PathBuf>,
    /// A private key beside those that ssh finds itself.
    pub identity: Option<PathBuf>,
    /// Whether ssh may ask the person at the terminal: for passwords, and whether a host key is
    /// right. Otherwise whatever would have to be asked fails.
    pub interactive: bool,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self { program: "ssh".into(), config: None, identity: None, interactive: false }
    }
}

/// Whom ssh is to reach.
pub(crate) struct Target<'a> {
    pub(crate) to: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

/// The command of the captive shell.
const COMMAND: &str = "upload";

/// How often the transfer is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Bytes of one line of the far side's words; what is longer is cut.
const LINE: usize = 16 << 10;

/// Bytes of all its words. A shell that tells how far it is says far less.
const WORDS: usize = 1 << 20;

/// What those who write, listen and watch share.
#[derive(Default)]
struct Flow {
    /// Bytes that ssh took.
    sent: AtomicU64,
    /// Whether it took all.
    closed: AtomicBool,
    /// Whether the far side says more than anybody reads.
    flooded: AtomicBool,
}

/// The status that ssh has for its own failures.
const OWN_FAILURE: i32 = 255;

pub(crate) fn send(
    payload: &Payload,
    target: &Target<'_>,
    options: &Options,
    tell: &mut dyn FnMut(Event),
) -> Result<Sent, Error> {
    // ssh's own words go to a file, so that they are told from those of the far side.
    let log = tempfile::NamedTempFile::new().map_err(|source| Error::Io {
        doing: "create a file for what ssh says in",
        path: std::env::temp_dir(),
        source,
    })?;
    let program = &options.ssh.program;
    let mut child = command(target, &options.ssh, log.path())
        .spawn()
        .map_err(|source| Error::Program { program: program.clone(), source })?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let flow = Flow::default();
    let (line, lines) = channel();
    std::thread::scope(|scope| {
        let flow = &flow;
        if let Some(output) = output {
            let line = line.clone();
            scope.spawn(move || listen(output, &line, flow));
        }
        if let Some(errors) = errors {
            scope.spawn(move || listen(errors, &line, flow));
        }
        let writer = scope.spawn(move || {
            let mut input = input;
            let mut chunks = payload.chunks();
            while let (Some(input), Some(chunk)) = (&mut input, chunks.next()?) {
                // A pipe takes little at a time; each bit of it shows that something moves.
                for piece in chunk.chunks(32 << 10) {
                    if input.write_all(piece).is_err() {
                        return Ok(None);
                    }
                    flow.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            }
            flow.closed.store(true, Ordering::Relaxed);
            Ok(Some(chunks.sha256()))
        });
        let watched = watch(&mut child, payload, target.to, options, flow, &lines, tell);
        // However it ended, nothing may be left running: the pipes end with the program.
        if watched.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (status, mut words) = watched?;
        words.extend(lines.iter().inspect(|said| tell(Event::Said(said.clone()))));
        let total = flow.sent.load(Ordering::Relaxed);
        let written = written?;
        judge(status, written, &words, log.path(), target.to, total, payload.size)
    })
}

fn command(target: &Target<'_>, options: &SshOptions, log: &Path) -> Command {
    let mut command = Command::new(&options.program);
    if let Some(config) = &options.config {
        command.arg("-F").arg(config);
    }
    if let Some(identity) = &options.identity {
        command.arg("-i").arg(identity);
    }
    // The first setting wins in ssh, so these win over the user's configuration.
    let ask = if options.interactive { "ask" } else { "yes" };
    let batch = if options.interactive { "no" } else { "yes" };
    for (key, value) in [
        ("StrictHostKeyChecking", ask),
        ("BatchMode", batch),
        // A name server's word is not the user's.
        ("VerifyHostKeyDNS", "no"),
        // A connection that is there already has been made under other settings.
        ("ControlPath", "none"),
        ("ControlMaster", "no"),
        ("ServerAliveInterval", "10"),
        ("ServerAliveCountMax", "3"),
        ("TCPKeepAlive", "yes"),
        ("ConnectTimeout", "15"),
        ("LogLevel", "INFO"),
        ("RequestTTY", "no"),
        ("RemoteCommand", "none"),
        ("SessionType", "default"),
        ("StdinNull", "no"),
        ("ForkAfterAuthentication", "no"),
        ("ForwardAgent", "no"),
        ("ForwardX11", "no"),
        ("ClearAllForwardings", "yes"),
        ("PermitLocalCommand", "no"),
    ] {
        command.arg("-o").arg(format!("{key}={value}"));
    }
    if let Some(port) = target.port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(user) = target.user {
        command.arg("-l").arg(user);
    }
    command.arg("-E").arg(log).arg("--").arg(target.host).arg(COMMAND);
    // What ssh says is read by this program.
    command.env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Hands on what the far side writes, line by line, as long as it comes to an end.
fn listen(from: impl Read, line: &Sender<String>, flow: &Flow) {
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    let mut heard = 0;
    while (&mut reader).take(LINE as u64).read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
        heard += bytes.len();
        if heard > WORDS {
            flow.flooded.store(true, Ordering::Relaxed);
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let text: String = text.trim_end().chars().filter(|c| !c.is_control()).collect();
        if !text.is_empty() && line.send(text).is_err() {
            return;
        }
        bytes.clear();
    }
}

/// Waits for the end of ssh, and ends it when nothing moves.
fn watch(
    child: &mut Child,
    payload: &Payload,
    to: &str,
    options: &Options,
    flow: &Flow,
    lines: &Receiver<String>,
    tell: &mut dyn FnMut(Event),
) -> Result<(ExitStatus, Vec<String>), Error> {
    let mut meter = Meter::new(payload.size, Instant::now());
    let mut words = Vec::new();
    let mut waiting = None;
    let mut begun = false;
    loop {
        let status = child
            .try_wait()
            .map_err(|source| Error::Program { program: options.ssh.program.clone(), source })?;
        // Who is not listened to any more may have ended for that reason.
        if flow.flooded.load(Ordering::Relaxed) {
            let problem = format!("more than {WORDS} bytes of words, and no end of them");
            return Err(Error::Nonsense { to: to.to_owned(), problem });
        }
        if let Some(status) = status {
            return Ok((status, words));
        }
        while let Ok(said) = lines.try_recv() {
            tell(Event::Said(said.clone()));
            words.push(said);
        }
        let now = Instant::now();
        let bytes = flow.sent.load(Ordering::Relaxed);
        let progress = meter.note(bytes, now);
        if flow.closed.load(Ordering::Relaxed) {
            if waiting.is_none() {
                tell(Event::Sent(progress));
                tell(Event::Waiting);
            }
            let since = *waiting.get_or_insert(now);
            if now.duration_since(since) > options.answer {
                let seconds = options.answer.as_secs();
                return Err(Error::Silent { to: to.to_owned(), total: payload.size, seconds });
            }
        } else {
            // What a pipe holds is not yet on its way: the person may still be asked something.
            begun |= bytes > PIPE;
            if begun {
                tell(Event::Sent(progress));
            }
            let patience = if options.ssh.interactive && !begun { ANSWERS } else { options.stall };
            if meter.still(now) > patience {
                let (total, seconds) = (payload.size, patience.as_secs());
                let sent = if begun { bytes } else { 0 };
                return Err(Error::Stalled { to: to.to_owned(), sent, total, seconds });
            }
        }
        std::thread::sleep(TICK);
    }
}

/// What the pipe to ssh holds.
const PIPE: u64 = 64 << 10;

/// How long a person may think about ssh's questions.
const ANSWERS: Duration = Duration::from_secs(300);

/// What the end of ssh means.
fn judge(
    status: ExitStatus,
    written: Option<Digest>,
    words: &[String],
    log: &Path,
    to: &str,
    sent: u64,
    total: u64,
) -> Result<Sent, Error> {
    let to = to.to_owned();
    let answer = words.join("\n");
    let own = std::fs::read(log).unwrap_or_default();
    let own = String::from_utf8_lossy(&own).replace('\r', "");
    let own = own.trim();
    match (status.code(), written) {
        (Some(0), Some(sha256)) => Ok(Sent { sha256, answer }),
        (Some(0), None) => Err(Error::Nonsense {
            to,
            problem: format!(
                "it said all is well after it took {sent} of {total} bytes{}",
                after(&answer)
            ),
        }),
        (Some(OWN_FAILURE), _) if !own.is_empty() => Err(own_failure(own, to, sent, total)),
        // The one thing that ssh says where the far side speaks, whatever its log is.
        (Some(OWN_FAILURE), _) if words.last().is_some_and(|word| is_end(word)) => {
            Err(Error::Dropped { to, sent, total, problem: answer })
        }
        (Some(code), _) => {
            let text = if answer.is_empty() { "it said nothing".to_owned() } else { answer };
            Err(Error::Refused { to, status: format!("exit status {code}"), text })
        }
        (None, _) => {
            let problem = format!("ssh was ended by a signal ({status})");
            Err(Error::Dropped { to, sent, total, problem })
        }
    }
}

/// Whether ssh tells that a connection ended before its time.
fn is_end(word: &str) -> bool {
    word.starts_with("Connection to ") && word.ends_with(" closed by remote host.")
}

fn after(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

/// What ssh's own words mean.
fn own_failure(words: &str, to: String, sent: u64, total: u64) -> Error {
    let problem =
        words.lines().map(str::trim).filter(|line| !line.chars().all(|c| "@ ".contains(c)));
    let problem = problem.collect::<Vec<_>>().join("; ");
    let said = |any: &[&str]| any.iter().any(|text| words.contains(text));
    if said(&["IDENTIFICATION HAS CHANGED", "Offending", "REVOKED HOST KEY"]) {
        Error::HostKeyChanged { to, problem }
    } else if said(&["Host key verification failed"]) {
        Error::HostKeyUnknown { to, problem }
    } else if said(&["Permission denied", "Too many authentication failures"]) {
        Error::Login { to, problem }
    } else if said(&["invalid format", "banner line contains invalid", "Protocol major versions"]) {
        Error::Nonsense { to, problem: format!("it does not speak SSH: {problem}") }
    } else if said(&[
        "connect to host",
        "Could not resolve",
        "kex_exchange_identification",
        "Connection timed out",
        "banner exchange",
        "Unable to negotiate",
        "Bad configuration option",
        "no argument after keyword",
    ]) {
        Error::Connect { to, problem }
    } else {
        Error::Dropped { to, sent, total, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_ssh() {
        let kind = |words| match own_failure(words, "x".to_owned(), 1, 2) {
            Error::HostKeyChanged { .. } => "changed",
            Error::HostKeyUnknown { .. } => "unknown",
            Error::Login { .. } => "login",
            Error::Connect { .. } => "connect",
            Error::Nonsense { .. } => "nonsense",
            Error::Dropped { .. } => "dropped",
            _ => "?",
        };
        for (words, wanted) in [
            (
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
                "unknown",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "changed",
            ),
            ("u@h: Permission denied (publickey).", "login"),
            ("ssh: connect to host h port 22: Connection refused", "connect"),
            ("kex_exchange_identification: Connection closed by remote host", "connect"),
            ("banner exchange: Connection to h port 22: invalid format", "nonsense"),
            ("Timeout, server h not responding.", "dropped"),
            ("Connection to h closed by remote host.", "dropped"),
            ("client_loop: send disconnect: Broken pipe", "dropped"),
        ] {
            assert_eq!(kind(words), wanted, "{words}");
        }
    }
}
