//! To OpenSSH's server, run for each connection as an ordinary user.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use upload::{Error, Event, Options, SshOptions};

use crate::{Sample, assert_told, options, send};

/// As whom the server runs where the tests run as root: see `scripts/install-verifiers`.
const NOBODY: u32 = 65534;

/// What stands in for Wicket's captive shell. `behaviour` says what it does.
const SHELL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 70
[ "$SSH_ORIGINAL_COMMAND" = upload ] || { echo "unknown command: $SSH_ORIGINAL_COMMAND" >&2; exit 64; }
case $(cat behaviour) in
store)
    echo "receiving a repository" >&2
    cat >part && mv part stored && echo "uploaded $(wc -c <stored) bytes" >&2 ;;
refuse) cat >/dev/null; echo "Updates currently running for sled 14" >&2; exit 3 ;;
refuse-early) echo "this user may not upload" >&2; exit 77 ;;
status-255) cat >/dev/null; exit 255 ;;
flood) exec yes "still at it" >&2 ;;
flood-late) cat >/dev/null; exec cat /dev/zero ;;
stall) exec sleep 60 ;;
silent) cat >/dev/null; exec sleep 60 ;;
early) head -c 100000 >/dev/null; echo "thank you" ;;
cut) head -c 100000 >part; kill -9 $PPID ;;
cut-once) echo store >behaviour; head -c 100000 >part; kill -9 $PPID ;;
esac
"#;

/// A server with its keys, and a client's configuration.
struct Server {
    directory: PathBuf,
    port: u16,
    connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// None where there is no sshd.
    fn start(sample: &Sample, behaviour: &str) -> Option<Self> {
        let mut sshd = verifiers::require("sshd")?;
        let directory = sample.path().join("far side");
        std::fs::create_dir(&directory).unwrap();
        let path = |name: &str| directory.join(name);
        for key in ["host_key", "user_key", "other_key"] {
            let status = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
                .arg(path(key))
                .status();
            assert!(status.unwrap().success());
        }
        let public = |key: &str| std::fs::read_to_string(path(&format!("{key}.pub"))).unwrap();
        let shell = path("shell");
        std::fs::write(&shell, SHELL).unwrap();
        std::fs::set_permissions(&shell, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(path("behaviour"), behaviour).unwrap();
        let key = public("user_key");
        let forced = format!("restrict,command=\"exec '{}'\" {key}", shell.display());
        std::fs::write(path("authorized_keys"), forced).unwrap();
        let config = format!(
            "HostKey \"{}\"\nAuthorizedKeysFile \"{}\"\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             LogLevel VERBOSE\n",
            path("host_key").display(),
            path("authorized_keys").display()
        );
        std::fs::write(path("sshd_config"), config).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let user = match std::fs::metadata(&directory).unwrap().uid() {
            // As root nobody would be asked for what an ordinary user may not do.
            0 => {
                for entry in [&directory].into_iter().cloned().chain(entries(&directory)) {
                    chown(entry, Some(NOBODY), Some(NOBODY)).unwrap();
                }
                std::fs::set_permissions(sample.path(), std::fs::Permissions::from_mode(0o755))
                    .unwrap();
                "nobody".to_owned()
            }
            _ => {
                let output = Command::new("id").arg("-un").output().unwrap();
                String::from_utf8(output.stdout).unwrap().trim().to_owned()
            }
        };
        // ssh refuses keys that others own or may read.
        let own_key = sample.path().join("user_key");
        std::fs::copy(path("user_key"), &own_key).unwrap();
        std::fs::set_permissions(&own_key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let known = format!("[127.0.0.1]:{port} {}", public("host_key"));
        std::fs::write(sample.path().join("known_hosts"), known).unwrap();
        // A configuration that would accept anything: ours must win.
        let config = format!(
            "User {user}\nUserKnownHostsFile \"{}\"\nGlobalKnownHostsFile none\n\
             IdentityFile \"{}\"\nIdentitiesOnly yes\nIdentityAgent none\n\
             StrictHostKeyChecking no\nLogLevel QUIET\n",
            sample.path().join("known_hosts").display(),
            own_key.display()
        );
        std::fs::write(sample.path().join("ssh_config"), config).unwrap();

        sshd.args(["-i", "-e", "-f"]).arg(path("sshd_config"));
        let log = std::fs::File::create(sample.path().join("sshd.log")).unwrap();
        let (connections, stopped) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (Arc::clone(&connections), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            let mut running = Vec::new();
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let stream: OwnedFd = stream.unwrap().into();
                sshd.stdin(stream.try_clone().unwrap()).stdout(stream);
                sshd.stderr(log.try_clone().unwrap());
                running.push(sshd.spawn().unwrap());
                // The command keeps its ends of the connection until it has others.
                sshd.stdin(Stdio::null()).stdout(Stdio::null());
            }
            for mut child in running {
                let _ = child.kill();
                let _ = child.wait();
            }
        });
        Some(Self { directory, port, connections, stopped, thread: Some(thread) })
    }

    fn url(&self) -> String {
        format!("ssh://127.0.0.1:{}", self.port)
    }

    fn stored(&self) -> Option<Vec<u8>> {
        std::fs::read(self.directory.join("stored")).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn with_config(sample: &Sample) -> Options {
    let config = Some(sample.path().join("ssh_config"));
    Options { ssh: SshOptions { config, ..SshOptions::default() }, ..options() }
}

fn said(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Said(line) => Some(&line[..]),
            _ => None,
        })
        .collect()
}

#[test]
fn the_captive_shell_gets_every_byte() {
    let sample = Sample::new();
    let Some(server) = Server::start(&sample, "store") else { return };
    let (result, events) = send(&sample, &server.url(), &with_config(&sample), None);
    let delivered = result.unwrap();
    assert!(server.stored().unwrap() == sample.bytes);
    assert_told(&sample, &delivered, &events);
    assert_eq!(delivered.attempts, 1);
    assert_eq!(
        delivered.answer,
        format!("receiving a repository\nuploaded {} bytes", sample.bytes.len())
    );
    assert_eq!(said(&events), delivered.answer.lines().collect::<Vec<_>>());
}

#[test]
fn host_keys_are_never_accepted_silently() {
    let sample = Sample::new();
    let Some(server) = Server::start(&sample, "store") else { return };
    let known_hosts = sample.path().join("known_hosts");
    std::fs::write(&known_hosts, "").unwrap();
    let (result, _) = send(&sample, &server.url(), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::HostKeyUnknown { .. }), "{error}");
    assert_eq!(std::fs::read(&known_hosts).unwrap(), b"", "the key was accepted");

    let other = std::fs::read_to_string(server.directory.join("other_key.pub")).unwrap();
    std::fs::write(&known_hosts, format!("[127.0.0.1]:{} {other}", server.port)).unwrap();
    let (result, _) = send(&sample, &server.url(), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::HostKeyChanged { .. }), "{error}");
    assert_eq!(server.stored(), None);
}

#[test]
fn a_refused_login_is_said() {
    let sample = Sample::new();
    let Some(server) = Server::start(&sample, "store") else { return };
    let own = sample.path().join("user_key");
    std::fs::remove_file(&own).unwrap();
    std::fs::copy(server.directory.join("other_key"), &own).unwrap();
    if std::fs::metadata(sample.path()).unwrap().uid() == 0 {
        chown(&own, Some(0), Some(0)).unwrap();
    }
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (result, _) = send(&sample, &server.url(), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(
        matches!(&error, Error::Login { problem, .. } if problem.contains("publickey")),
        "{error}"
    );
    assert_eq!(server.stored(), None);
}

#[test]
fn a_refusal_has_the_far_sides_words_and_status() {
    let sample = Sample::new();
    let Some(server) = Server::start(&sample, "refuse") else { return };
    let ask = |behaviour: &str| {
        std::fs::write(server.directory.join("behaviour"), behaviour).unwrap();
        send(&sample, &server.url(), &with_config(&sample), None).0.unwrap_err()
    };
    for (behaviour, status, words) in [
        ("refuse", "exit status 3", "Updates currently running for sled 14"),
        ("refuse-early", "exit status 77", "this user may not upload"),
        ("status-255", "exit status 255", "it said nothing"),
    ] {
        match ask(behaviour) {
            Error::Refused { status: real, text, .. } => {
                assert_eq!((&real[..], &text[..]), (status, words), "{behaviour}");
            }
            other => panic!("{behaviour}: {other}"),
        }
    }
    let error = ask("early");
    assert!(
        matches!(&error, Error::Nonsense { problem, .. } if problem.contains("thank you")),
        "{error}"
    );
}

#[test]
fn stalls_and_silence_come_to_an_end() {
    let sample = Sample::new();
    let Some(server) = Server::start(&sample, "stall") else { return };
    let (result, _) = send(&sample, &server.url(), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::Stalled { sent, .. } if sent < sample.bytes.len() as u64),
        "{error}"
    );

    std::fs::write(server.directory.join("behaviour"), "silent").unwrap();
    let (result, events) = send(&sample, &server.url(), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(events.contains(&Event::Waiting));
}

#[test]
fn a_cut_connection_is_begun_again_from_the_start() {
    let sample = Sample::new();
    let Some(server) = Server::start(&sample, "cut") else { return };
    let (result, _) = send(&sample, &server.url(), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Dropped { .. }), "{error}");
    assert_eq!(server.stored(), None, "something was half delivered");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);

    std::fs::write(server.directory.join("behaviour"), "cut-once").unwrap();
    let options = Options { attempts: 2, ..with_config(&sample) };
    let (result, events) = send(&sample, &server.url(), &options, None);
    assert_eq!(result.unwrap().attempts, 2);
    assert!(server.stored().unwrap() == sample.bytes);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Again { .. })).count(), 1);
}

#[test]
fn words_without_end_are_not_listened_to() {
    for behaviour in ["flood", "flood-late"] {
        let sample = Sample::new();
        let Some(server) = Server::start(&sample, behaviour) else { return };
        let (result, events) = send(&sample, &server.url(), &with_config(&sample), None);
        let error = result.unwrap_err();
        let wanted = |problem: &str| problem.contains("no end of them");
        assert!(
            matches!(&error, Error::Nonsense { problem, .. } if wanted(problem)),
            "{behaviour}: {error}"
        );
        assert!(said(&events).len() < 1 << 20);
    }
}

#[test]
fn whatever_is_no_ssh_server_is_told_apart() {
    let sample = Sample::new();
    std::fs::write(sample.path().join("ssh_config"), "IdentityAgent none\n").unwrap();
    if verifiers::find("ssh").is_none() {
        verifiers::require("sshd");
        return;
    }
    // Nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (result, _) =
        send(&sample, &format!("ssh://127.0.0.1:{port}"), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(
        matches!(&error, Error::Connect { problem, .. } if problem.contains("refused")),
        "{error}"
    );

    // Something else listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let (result, _) =
        send(&sample, &format!("ssh://127.0.0.1:{port}"), &with_config(&sample), None);
    let error = result.unwrap_err();
    assert!(!error.to_string().contains("refused the login"), "{error}");
    assert!(matches!(error, Error::Nonsense { .. } | Error::Connect { .. }), "{error}");
    thread.join().unwrap();

    let ssh = SshOptions { program: "/nonexistent/ssh".into(), ..SshOptions::default() };
    let (result, _) = send(&sample, "ssh://127.0.0.1", &Options { ssh, ..options() }, None);
    assert!(matches!(result, Err(Error::Program { .. })));
}
