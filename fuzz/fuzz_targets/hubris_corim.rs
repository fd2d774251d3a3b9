#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if hubris::Corim::parse(bytes).is_ok() {
        // Inputs are recognised by their first byte.
        assert!(hubris::Corim::may_be(bytes[0]));
    }
});
