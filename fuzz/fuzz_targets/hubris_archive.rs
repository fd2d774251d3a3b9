#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hubris::Archive::read(std::io::Cursor::new(bytes));
});
