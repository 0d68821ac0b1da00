//! libFuzzer on [`postbell_fuzz::targets::inbound`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postbell_fuzz::targets::inbound(data));
