# What a developer runs, and what .ci/run runs. `just` alone lists the recipes; `just pre-pr` is all of them.

tools := env_var_or_default("BTN_TOOLS_DIR", env_var("HOME") / ".cache/btn-tools")

# List the recipes.
default:
    @just --list

# Start a network of four masters on this machine.
devnet *arguments:
    cargo run --release --locked -- devnet {{ arguments }}

# Format everything.
fmt:
    cargo fmt

# Formatting, clippy, spelling, unused dependencies.
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets --locked
    typos
    {{ tools }}/bin/cargo-machete

# Every test, process tests included.
test:
    cargo test --workspace --locked

# The seeded simulation alone.
sim:
    cargo test --locked -p btn-sim

# Fuzz whatever reads what peers send, from its stored corpus.
fuzz seconds="30":
    .ci/fuzz {{ seconds }}

# Real processes and real clients: the process tests, then tests/clients against the release build.
e2e:
    cargo test --locked -p btn
    .ci/clients

# Licences, duplicates and sources of the dependencies.
deny:
    {{ tools }}/bin/cargo-deny --locked check bans licenses sources

# Install cargo-deny, cargo-machete and cargo-fuzz, the versions that CI has.
tools:
    .ci/tools

# All that CI checks.
pre-pr: tools lint deny test fuzz e2e
