//! Copies the bytes of a file.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _, Write as _};

/// Smaller files are read and written: one call each, and nothing to be asked of the file system.
const SMALL: u64 = 16 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
}

/// Copies a file from where both stand to its end. Returns the number of bytes, which is not
/// `expected` if the file has changed since it was examined.
///
/// A larger file is left to the system where it can copy by itself, so that a file system that
/// shares blocks does so.
pub(crate) fn copy(from: &File, to: &File, expected: u64) -> io::Result<u64> {
    let by_system = if expected > SMALL { by_the_system(from, to, expected)? } else { None };
    match by_system {
        Some(copied) => Ok(copied),
        None => BUFFER.with_borrow_mut(|buffer| read_and_write(from, to, buffer)),
    }
}

/// Copies with `copy_file_range`; nothing if these two files cannot be copied so.
#[cfg(target_os = "linux")]
fn by_the_system(from: &File, to: &File, expected: u64) -> io::Result<Option<u64>> {
    use rustix::io::Errno;
    /// As much as the system takes at once, in whole pages.
    const MOST: usize = 1 << 30;
    let mut copied = 0;
    loop {
        match rustix::fs::copy_file_range(from, None, to, None, MOST) {
            Ok(0) => return Ok(Some(copied)),
            Ok(count) => {
                copied += count as u64;
                // less than was asked for, and all there is to be
                if count < MOST && copied == expected {
                    return Ok(Some(copied));
                }
            }
            Err(Errno::INTR) => {}
            Err(error) if copied > 0 => return Err(error.into()),
            // of another file system, or one that cannot, or refused by a filter of system calls;
            // if it is about the files, reading and writing will say so
            Err(_) => return Ok(None),
        }
    }
}

/// illumos has no such call.
#[cfg(not(target_os = "linux"))]
fn by_the_system(_: &File, _: &File, _: u64) -> io::Result<Option<u64>> {
    Ok(None)
}

fn read_and_write(mut from: &File, mut to: &File, buffer: &mut [u8]) -> io::Result<u64> {
    let mut copied = 0;
    loop {
        let count = match from.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&buffer[..count])?;
        copied += count as u64;
        // a regular file gives less than was asked for at its end alone
        if count < buffer.len() {
            return Ok(copied);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn every_size_arrives_whole_by_either_way() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let bytes: Vec<u8> = (0..(SMALL as usize * 5)).map(|n| (n * 31 % 251) as u8).collect();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let mut buffer = vec![0; 4096];
        for size in [0, 1, 4095, 4096, 4097, 8192, SMALL as usize, SMALL as usize + 1, bytes.len()]
        {
            std::fs::write(&from, &bytes[..size])?;
            for way in 0..2 {
                let (source, target) = (File::open(&from)?, File::create(&to)?);
                let copied = match way {
                    0 => copy(&source, &target, size as u64)?,
                    _ => read_and_write(&source, &target, &mut buffer)?,
                };
                assert_eq!(copied, size as u64);
                assert!(std::fs::read(&to)? == bytes[..size], "{size}");
            }
        }
        Ok(())
    }

    #[test]
    fn what_has_grown_or_shrunk_is_told() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        for (size, expected) in [(10, 20), (20, 10), (SMALL + 10, SMALL + 5), (5, SMALL + 5)] {
            let source = File::create_new(&from)?;
            source.write_all_at(&vec![7; size as usize], 0)?;
            let source = File::open(&from)?;
            assert_eq!(copy(&source, &File::create(&to)?, expected)?, size);
            std::fs::remove_file(&from)?;
        }
        Ok(())
    }
}
