#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zpool_image::reader::fuzzing::label(bytes));
