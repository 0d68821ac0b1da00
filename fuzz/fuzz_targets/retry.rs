//! libFuzzer on [`postbell_fuzz::targets::retry`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postbell_fuzz::targets::retry(data));
