# Short names for the same commands that CI runs. `just --list` shows them.

# Format, lints and every test, as CI does
check:
    .ci/run

# Format all code
fmt:
    cargo fmt --all

# Lints, warnings as errors
lint:
    cargo clippy --workspace --all-targets --profile ci -- -D warnings

# Every test, or some steps: just test rust outside
test *steps:
    tests/run {{steps}}

# The whole system on loopback
dev *options:
    cargo run --release -- dev {{options}}

# kill -9 under load, and look for what was lost
kill rounds="20":
    cargo run --profile ci -p postbell-tests --bin kill -- --rounds {{rounds}}

# Fuzz the targets, a minute each: just fuzz session token
fuzz *targets:
    .ci/fuzz {{targets}}

# Property tests with many cases
properties cases="20000":
    PROPTEST_CASES={{cases}} cargo nextest run --cargo-profile ci -p postbell-smtp -p postbell-mail -p postbell-model

# Accept the changed snapshots of replies and documents
snap:
    INSTA_UPDATE=always cargo nextest run --workspace --cargo-profile ci
