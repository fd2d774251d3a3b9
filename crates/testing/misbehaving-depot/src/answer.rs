//! One request and its answer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::server::Shared;
use crate::{Fault, Served};

/// No test waits for longer.
const LONGEST: Duration = Duration::from_secs(20);

/// Answers one request; the connection ends with it.
pub(crate) fn answer(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(LONGEST))?;
    let Some((path, from, length)) = peek(stream)? else { return Ok(()) };
    let fault = shared.fault(&path);
    // What was not read when a connection is closed makes the kernel reset it.
    if !matches!(fault, Some(Fault::Reset(_))) {
        let mut reader = stream;
        io::copy(&mut (&mut reader).take(length as u64), &mut io::sink())?;
    }
    let number = shared.note(Served { path: path.clone(), from, bytes: 0, fault: fault.clone() });
    send(stream, shared, &path, from, fault, number)
}

/// Path, first byte of the range, and length of the request's head, without taking it in.
fn peek(stream: &TcpStream) -> io::Result<Option<(String, u64, usize)>> {
    let mut buffer = [0; 8192];
    let begin = Instant::now();
    loop {
        let count = stream.peek(&mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..count]);
        if let Some(end) = text.find("\r\n\r\n") {
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let from = text
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned)
                })
                .and_then(|range| range.split('-').next()?.parse().ok())
                .unwrap_or(0);
            return Ok(Some((path, from, end + 4)));
        }
        if count == 0 || begin.elapsed() > LONGEST {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn send(
    mut stream: &TcpStream,
    shared: &Shared,
    path: &str,
    mut from: u64,
    fault: Option<Fault>,
    number: usize,
) -> io::Result<()> {
    let head =
        |status: u16, rest: &str| format!("HTTP/1.1 {status} -\r\nConnection: close\r\n{rest}\r\n");
    match &fault {
        Some(Fault::Status { status, retry_after }) => {
            let wait = retry_after.map(|s| format!("Retry-After: {s}\r\n")).unwrap_or_default();
            return stream
                .write_all(head(*status, &format!("Content-Length: 0\r\n{wait}")).as_bytes());
        }
        Some(Fault::RedirectLoop) => {
            let rest = format!("Location: {path}\r\nContent-Length: 0\r\n");
            return stream.write_all(head(302, &rest).as_bytes());
        }
        Some(Fault::Garbage) => return stream.write_all(b"220 mail.example.com ready\r\n"),
        _ => {}
    }
    let Some(mut body) = (shared.content)(path) else {
        return stream.write_all(head(404, "Content-Length: 0\r\n").as_bytes());
    };
    match &fault {
        Some(Fault::Wrong(other)) => body.clone_from(other),
        Some(Fault::FlippedBit) => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 4;
            }
        }
        Some(Fault::IgnoreRange) => from = 0,
        Some(Fault::Endless) => {
            stream.write_all(head(200, "").as_bytes())?;
            let begin = Instant::now();
            while begin.elapsed() < LONGEST && !shared.stopped.load(Ordering::Relaxed) {
                shared.count(number, 4096);
                stream.write_all(&[0; 4096])?;
            }
            return Ok(());
        }
        _ => {}
    }
    let length = body.len() as u64;
    if from > 0 && from >= length {
        let rest = format!("Content-Range: bytes */{length}\r\nContent-Length: 0\r\n");
        return stream.write_all(head(416, &rest).as_bytes());
    }
    let mut first = from;
    if matches!(fault, Some(Fault::WrongRange)) {
        first = 0;
    }
    let part = &body[usize::try_from(first).unwrap_or(usize::MAX)..];
    let mut rest = match fault {
        Some(Fault::TruncateUnannounced(_)) => String::new(),
        _ => format!("Content-Length: {}\r\n", part.len()),
    };
    let status = if from > 0 {
        let last = length.saturating_sub(1);
        rest += &format!("Content-Range: bytes {first}-{last}/{length}\r\n");
        206
    } else {
        200
    };
    stream.write_all(head(status, &rest).as_bytes())?;
    let most = match fault {
        Some(
            Fault::Truncate(most)
            | Fault::TruncateUnannounced(most)
            | Fault::Reset(most)
            | Fault::Stall(most),
        ) => part.len().min(most),
        _ => part.len(),
    };
    let (piece, pause) = match fault {
        Some(Fault::Slow { piece, pause }) => (piece.max(1), pause),
        _ => (64 << 10, Duration::ZERO),
    };
    for piece in part[..most].chunks(piece) {
        shared.count(number, piece.len());
        stream.write_all(piece)?;
        if pause > Duration::ZERO {
            thread::sleep(pause);
        }
        if shared.stopped.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
    match fault {
        // The bytes must be there before the reset overtakes them.
        Some(Fault::Reset(_)) => thread::sleep(Duration::from_millis(50)),
        Some(Fault::Stall(_)) => {
            let begin = Instant::now();
            let mut one = [0];
            stream.set_read_timeout(Some(Duration::from_millis(50)))?;
            // Until the client leaves.
            while begin.elapsed() < LONGEST && !shared.stopped.load(Ordering::Relaxed) {
                match stream.read(&mut one) {
                    Ok(0) => break,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                    _ => {}
                }
            }
        }
        _ => {
            stream.shutdown(Shutdown::Write)?;
        }
    }
    Ok(())
}
