#![no_main]

use oxide_archive::Metadata;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(metadata) = Metadata::from_json(bytes) else { return };
    // What is read is written and read again as the same.
    let Ok(text) = metadata.to_json() else { return };
    let again = Metadata::from_json(text.as_bytes()).ok();
    assert_eq!(again.and_then(|again| again.to_json().ok()), Some(text));
});
