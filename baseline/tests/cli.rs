//! The program `baseline`.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its sample shall fail")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use common::{Run, Sample};
use depot::Server;

fn baseline(arguments: &[&std::ffi::OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_baseline"))
        .args(arguments)
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .unwrap()
}

#[test]
fn the_program_makes_what_the_library_makes() {
    let sample = Sample::new();
    let proto = sample.install();
    let library = sample.run(&proto, &Run::default()).unwrap();
    let image = sample.export(&proto, "image");
    let out = sample.path("program");
    let repository = sample.path("repository");
    let output = baseline(&[
        "-R".as_ref(),
        image.as_ref(),
        "--origin".as_ref(),
        repository.as_ref(),
        out.as_ref(),
    ]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&library.archive.sha256.to_string()), "{text}");
    assert!(text.contains("left out, for global zones only: pkg://sample/system/kernel"), "{text}");
    let archive = out.join(baseline::ARCHIVE);
    assert_eq!(fs::read(&archive).unwrap(), fs::read(&library.archive.path).unwrap());

    let verify = ["-R".as_ref(), image.as_ref(), "--verify".as_ref(), archive.as_ref()];
    let output = baseline(&verify);
    assert!(output.status.success(), "{output:?}");
    fs::write(out.join(baseline::GZONLY), "x\n").unwrap();
    let output = baseline(&verify);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("from another run"));
}

/// The image names a depot, which begins to answer a while after the program began to ask.
#[test]
fn waiting_for_a_depot_makes_the_same() {
    let sample = Sample::new();
    let proto = sample.install();
    let library = sample.run(&proto, &Run::default()).unwrap();
    let image = sample.export(&proto, "image");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = image.join("var/pkg/pkg5.image");
    let text = fs::read_to_string(&config).unwrap();
    let file = format!("file://{}", sample.path("repository").display());
    assert!(text.contains(&file), "{text}");
    fs::write(&config, text.replace(&file, &format!("http://{address}/"))).unwrap();

    let out = sample.path("waited");
    let without = baseline(&["-R".as_ref(), image.as_ref(), out.as_ref()]);
    assert_eq!(without.status.code(), Some(1), "{without:?}");
    assert!(!out.exists());

    let store = sample.path("depots");
    let mut waits = Command::new(env!("CARGO_BIN_EXE_baseline"));
    waits.arg("-R").arg(&image).arg("--wait").arg("--store").arg(&store).arg(&out);
    let mut program = waits.env_remove("SOURCE_DATE_EPOCH").stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(program.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with(&format!("waiting for the origin http://{address}/: ")), "{said}");
    let server = Server::open(sample.path("repository")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
    runtime.spawn(server.run(listener, std::future::pending(), |_, _, _| {}));
    assert!(program.wait().unwrap().success());
    let archive = fs::read(out.join(baseline::ARCHIVE)).unwrap();
    assert_eq!(archive, fs::read(&library.archive.path).unwrap());
}

#[test]
fn errors_are_said_and_leave_nothing() {
    let sample = Sample::new();
    let directory = sample.path("no-image");
    fs::create_dir(&directory).unwrap();
    let out = sample.path("out");
    let output = baseline(&["-R".as_ref(), directory.as_ref(), out.as_ref()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: the proto has no package metadata"), "{text}");
    assert!(!out.exists());

    let nowhere = sample.path("nowhere");
    let output = baseline(&["-R".as_ref(), nowhere.as_ref(), out.as_ref()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nowhere"));

    assert_eq!(baseline(&["-R".as_ref(), directory.as_ref()]).status.code(), Some(2));
}
