//! libFuzzer on [`postbell_fuzz::targets::html_rewrite`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postbell_fuzz::targets::html_rewrite(data));
