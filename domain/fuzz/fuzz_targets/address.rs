//! The properties of `domain::address` for whatever the fuzzer finds:
//! `cargo +nightly fuzz run -s none address -- -dict=fuzz/address.dict -max_len=192` (there is no unsafe code for a
//! sanitizer to watch).

#![no_main]

#[path = "../../tests/address_properties/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|text: &str| check::check(text));
