//! libFuzzer on [`postbell_fuzz::targets::classify`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postbell_fuzz::targets::classify(data));
