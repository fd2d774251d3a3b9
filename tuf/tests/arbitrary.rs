//! Arbitrary bytes neither panic nor hang the reader, and are never accepted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use proptest::prelude::*;
use tuf::VerifyOptions;

fn refused(bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.zip");
    std::fs::write(&path, bytes).unwrap();
    !tuf::verify(&path, &VerifyOptions::at(common::build_time())).unwrap().outcome().is_ok()
}

proptest! {
    #[test]
    fn noise(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(refused(&bytes));
    }

    #[test]
    fn noise_before_an_end_record(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        count in 0..4_u16,
        size in 0..500_u32,
        start in 0..500_u32,
    ) {
        let mut bytes = noise;
        // Something to recognise, so that more than the first check is reached.
        for (at, signature) in [(0, b"PK\x03\x04"), (100, b"PK\x01\x02"), (200, b"PK\x01\x02")] {
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(signature);
            }
        }
        let fits = size.min(bytes.len() as u32);
        let (size, start) = if start % 2 == 0 { (fits, bytes.len() as u32 - fits) } else { (size, start) };
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(count.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend([0, 0]);
        prop_assert!(refused(&bytes));
    }
}

#[test]
fn arbitrary_metadata() {
    let sample = common::Sample::new();
    let (zip, _) = sample.build();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let roles = prop_oneof![Just("root"), Just("timestamp"), Just("snapshot"), Just("targets")];
    runner
        .run(&(roles, any::<prop::sample::Index>(), any::<u8>()), |(role, at, to)| {
            let mut forge = common::forge::Forge::open(&zip);
            let file = common::forge::metadata(role);
            let text = forge.files.get_mut(&file).unwrap();
            let at = at.index(text.len());
            let was = std::mem::replace(&mut text[at], to);
            // White space is not signed in the root and the timestamp, which nothing hashes.
            let blank = |byte: u8| byte.is_ascii_whitespace();
            let hashed = ["snapshot", "targets"].contains(&role);
            if was != to && (hashed || !(blank(was) && blank(to))) {
                prop_assert!(refused(&forge.zip().bytes()), "{role} {at}: {was} became {to}");
            }
            Ok(())
        })
        .unwrap();
}
