#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(caboose) = hubris::Caboose::parse(bytes) else { return };
    // What is read is written and read again as the same.
    assert_eq!(hubris::Caboose::parse(&caboose.to_bytes()).ok().as_ref(), Some(&caboose));
    let _ = (caboose.board(), caboose.name(), caboose.version(), caboose.signer());
});
