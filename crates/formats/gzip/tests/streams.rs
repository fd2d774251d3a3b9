//! Both formats through the public face: round trips, damage, threads.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use gzip::{Error, GzipReader, GzipWriter, Level, ZlibReader, ZlibWriter};
use proptest::prelude::*;

const MIB: usize = 1 << 20;

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// Text-like data that compress somewhat, the same each time.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut data = Vec::with_capacity(length + 16);
    while data.len() < length {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        data.extend_from_slice(format!("{:x} ", (state >> 40) % 5000).as_bytes());
    }
    data.truncate(length);
    data
}

fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut writer = GzipWriter::with_threads(Vec::new(), Level::Best, threads(2));
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

fn gunzipped(file: &[u8]) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    GzipReader::new(file).read_to_end(&mut data).map(|_| data)
}

fn damage(file: &[u8]) -> Error {
    let error = gunzipped(file).unwrap_err();
    Error::of(&error).unwrap_or_else(|| panic!("no damage: {error}")).clone()
}

#[test]
fn lengths_around_the_chunk_size_come_back() {
    for length in [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 77] {
        let data = sample(length);
        assert!(gunzipped(&gzipped(&data)).unwrap() == data, "{length}");
        let mut writer = ZlibWriter::with_threads(Vec::new(), Level::Fast, threads(3));
        writer.write_all(&data).unwrap();
        let mut back = Vec::new();
        ZlibReader::new(&writer.finish().unwrap()[..]).read_to_end(&mut back).unwrap();
        assert!(back == data, "{length}");
    }
}

#[test]
fn threads_and_sizes_of_writes_never_change_the_bytes() {
    let data = sample(5 * MIB + 123);
    for level in [Level::Fast, Level::Normal, Level::Best] {
        let outputs: Vec<Vec<u8>> = [(1, 7919), (2, 5 * MIB), (7, 100_000), (16, MIB)]
            .map(|(count, piece)| {
                let mut writer = GzipWriter::with_threads(Vec::new(), level, threads(count));
                for piece in data.chunks(piece) {
                    writer.write_all(piece).unwrap();
                    writer.flush().unwrap();
                }
                writer.finish().unwrap()
            })
            .into();
        assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]), "{level:?}");
    }
}

/// These bytes are part of what we promise: other programs pin digests of our archives.
#[test]
fn the_bytes_are_the_same_as_ever() {
    let file = gzipped(&sample(2 * MIB + 5));
    assert_eq!(file[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    assert_eq!(gzipped(b""), b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x03\0\0\0\0\0\0\0\0\0");
    assert_eq!((file.len(), crc32fast::hash(&file)), (GOLDEN_LENGTH, GOLDEN_CRC));
}
const GOLDEN_LENGTH: usize = 1_022_944;
const GOLDEN_CRC: u32 = 2_701_386_004;

#[test]
fn incompressible_data_hardly_grow() {
    let mut state = 7u64;
    let data: Vec<u8> = (0..2 * MIB)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    let file = gzipped(&data);
    assert!(file.len() < data.len() + 2000, "{}", file.len());
    assert!(gunzipped(&file).unwrap() == data);
}

#[test]
fn each_kind_of_damage_has_its_own_error() {
    let file = gzipped(b"some data");
    let changed = |index: usize| {
        let mut copy = file.clone();
        copy[index] ^= 1;
        damage(&copy)
    };
    let end = file.len();
    assert!(matches!(changed(0), Error::NotThisFormat { .. }));
    assert!(matches!(changed(2), Error::Header { .. }));
    assert!(matches!(changed(end - 8), Error::Checksum { .. }));
    assert!(matches!(changed(end - 4), Error::Length { actual: 9, .. }));
    assert!(matches!(damage(b""), Error::NotThisFormat { .. }));
    assert!(matches!(damage(b"PK\x03\x04"), Error::NotThisFormat { .. }));
    assert_eq!(damage(&[&file[..], &file].concat()), Error::SecondMember { offset: end as u64 });
    for garbage in [&b"\0"[..], b"x", b"\x1f"] {
        assert_eq!(
            damage(&[&file[..], garbage].concat()),
            Error::TrailingGarbage { format: "gzip", offset: end as u64 }
        );
    }
    for length in 1..end {
        assert!(matches!(damage(&file[..length]), Error::Truncated { offset, .. }
            if offset == length as u64));
    }
    let mut bad_block = file.clone();
    bad_block[10] |= 6;
    assert!(matches!(damage(&bad_block), Error::Deflate { .. }));
}

#[test]
fn damage_is_said_again_at_every_read() {
    let mut file = gzipped(b"some data");
    file.push(0);
    let mut reader = GzipReader::new(&file[..]);
    let mut buffer = [0; 100];
    assert_eq!(reader.read(&mut buffer).unwrap(), 9);
    for _ in 0..2 {
        assert!(Error::of(&reader.read(&mut buffer).unwrap_err()).is_some());
    }
}

#[test]
fn optional_header_fields_are_understood() {
    let plain = gzipped(b"data");
    let mut file = vec![0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3];
    file.extend_from_slice(b"\x03\0abcname\0comment\0");
    let sum = crc32fast::hash(&file) as u16;
    file.extend_from_slice(&sum.to_le_bytes());
    file.extend_from_slice(&plain[10..]);
    assert_eq!(gunzipped(&file).unwrap(), b"data");
    file[12] = b'x';
    assert!(matches!(damage(&file), Error::Header { problem: "has a wrong checksum", .. }));
}

#[test]
fn zlib_damage_is_told_apart() {
    let mut writer = ZlibWriter::new(Vec::new(), Level::Best);
    writer.write_all(b"some data").unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(file[..2], [0x78, 0xda]);
    let read = |file: &[u8]| {
        let error = ZlibReader::new(file).read_to_end(&mut Vec::new()).unwrap_err();
        Error::of(&error).unwrap().clone()
    };
    let mut wrong_sum = file.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert!(matches!(read(&wrong_sum), Error::Checksum { name: "Adler-32", .. }));
    assert!(matches!(
        read(&[&file[..], b"\0"].concat()),
        Error::TrailingGarbage { format: "zlib", .. }
    ));
    assert!(matches!(read(&file[..5]), Error::Truncated { .. }));
    assert!(matches!(read(b"\x1f\x8b"), Error::NotThisFormat { .. }));
    assert!(matches!(read(b"\x78\xbb"), Error::Header { .. }));
}

/// An inner writer that fails must not hang the threads.
#[test]
fn a_failing_inner_writer_ends_the_work() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(data.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(data.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = GzipWriter::with_threads(Full(1000), Level::Fast, threads(2));
    let error = writer.write_all(&sample(20 * MIB)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

/// flate2 is in this workspace for other crates; if its features were unified to another back end,
/// their bytes would change. zlib-rs and zlib agree on no level-1 output, and miniz_oxide has no
/// `set_dictionary` at all (so this would not even compile).
#[test]
fn flate2_still_stands_on_zlib_rs() {
    let data = sample(MIB);
    let mut theirs = flate2::Compress::new(flate2::Compression::best(), false);
    theirs.set_dictionary(b"0123456789").unwrap();
    let mut ours = zlib_rs::Deflate::new(9, false, 15);
    ours.set_dictionary(b"0123456789").unwrap();
    let (mut a, mut b) = (vec![0; MIB], vec![0; MIB]);
    theirs.compress(&data, &mut a, flate2::FlushCompress::Finish).unwrap();
    ours.compress(&data, &mut b, zlib_rs::DeflateFlush::Finish).unwrap();
    assert_eq!(theirs.total_out(), ours.total_out());
    assert!(a == b, "flate2 uses another encoder");
}

proptest! {
    #[test]
    fn reading_undoes_writing(
        pieces in proptest::collection::vec(
            (any::<u8>(), 0..400_000usize, proptest::collection::vec(any::<u8>(), 0..2000)), 0..6),
        count in 1..4usize,
    ) {
        let mut data = Vec::new();
        for (byte, repeat, noise) in pieces {
            data.resize(data.len() + repeat, byte);
            data.extend(noise);
        }
        let mut writer = GzipWriter::with_threads(Vec::new(), Level::Fast, threads(count));
        writer.write_all(&data).unwrap();
        prop_assert!(gunzipped(&writer.finish().unwrap()).unwrap() == data);
    }

    #[test]
    fn no_bytes_make_the_readers_panic(
        start in prop_oneof![Just(&b"\x1f\x8b\x08"[..]), Just(&b"\x78\x9c"[..]), Just(&b""[..])],
        rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let file = [start, &rest].concat();
        let _ = gunzipped(&file);
        let _ = ZlibReader::new(&file[..]).read_to_end(&mut Vec::new());
    }

    #[test]
    fn a_flipped_bit_is_found_or_harmless(
        index in 0..100_000usize, bit in 0..8u32,
    ) {
        let data = sample(3000);
        let mut file = gzipped(&data);
        let index = index % file.len();
        file[index] ^= 1 << bit;
        // Time, system and level hint in the header carry nothing, nor does the padding of a flush,
        // and a match may be found at another distance as well: the data decide.
        match gunzipped(&file) {
            Ok(back) => prop_assert!(back == data),
            Err(error) => prop_assert!(Error::of(&error).is_some()),
        }
    }
}
