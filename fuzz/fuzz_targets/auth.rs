//! libFuzzer on [`postbell_fuzz::targets::auth`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postbell_fuzz::targets::auth(data));
