//! What is written here, judged by gzip(1).

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::io::Write;
use std::process::Stdio;

use gzip::{GzipReader, GzipWriter, LateGzipWriter, Level, ZlibWriter};

fn sample() -> Vec<u8> {
    (0..3_500_000u32)
        .flat_map(|n| ((n / 7).wrapping_mul(2_654_435_761) >> 13).to_be_bytes()[2..].to_vec())
        .collect()
}

#[test]
fn gzip_accepts_the_member_and_gives_the_data_back() {
    let Some(mut test) = verifiers::require("gzip") else { return };
    let Some(mut decompress) = verifiers::require("gzip") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.gz");
    for data in [sample(), Vec::new()] {
        let mut writer = GzipWriter::new(fs::File::create(&path).unwrap(), Level::Best);
        writer.write_all(&data).unwrap();
        writer.finish().unwrap();
        let output = test.arg("-tv").arg(&path).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        let output = decompress.arg("-dc").arg(&path).output().unwrap();
        assert!(output.status.success() && output.stdout == data);
    }
}

#[test]
fn gzip_accepts_a_member_whose_beginning_came_last() {
    let Some(mut gzip) = verifiers::require("gzip") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.gz");
    let (first, rest) = (vec![b'x'; 70_000], sample());
    let file = fs::File::create(&path).unwrap();
    let mut writer = LateGzipWriter::new(file, Level::Best, first.len()).unwrap();
    writer.write_all(&rest).unwrap();
    writer.finish(&first).unwrap();
    let output = gzip.arg("-dc").arg(&path).output().unwrap();
    assert!(output.status.success() && output.stdout == [first, rest].concat(), "{output:?}");
}

#[test]
fn the_reader_reads_what_gzip_writes() {
    let Some(mut gzip) = verifiers::require("gzip") else { return };
    let mut child = gzip.arg("-6c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let feeder = std::thread::spawn(move || input.write_all(&sample()));
    let mut data = Vec::new();
    std::io::Read::read_to_end(&mut GzipReader::new(output), &mut data).unwrap();
    feeder.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(data == sample());
}

/// gzip knows no zlib streams, but a gzip member is the same deflate data in another frame.
#[test]
fn the_deflate_data_of_a_zlib_stream_satisfy_gzip() {
    let Some(mut gzip) = verifiers::require("gzip") else { return };
    let data = sample();
    let mut writer = ZlibWriter::new(Vec::new(), Level::Best);
    writer.write_all(&data).unwrap();
    let stream = writer.finish().unwrap();
    let mut member = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    member.extend_from_slice(&stream[2..stream.len() - 4]);
    member.extend_from_slice(&crc32fast::hash(&data).to_le_bytes());
    member.extend_from_slice(&(data.len() as u32).to_le_bytes());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.gz");
    fs::write(&path, member).unwrap();
    let output = gzip.arg("-dc").arg(&path).output().unwrap();
    assert!(output.status.success() && output.stdout == data, "{:?}", output.stderr);
    let mut theirs = flate2::read::ZlibDecoder::new(&stream[..]);
    let mut back = Vec::new();
    std::io::Read::read_to_end(&mut theirs, &mut back).unwrap();
    assert!(back == data);
}
