# The only commands a newcomer needs. ARGS passes more words on: make run ARGS=--once, make test ARGS=claiming
.PHONY: help run test chaos check bench deps

help:
	@echo 'make run     build, and start everything embedded (liaison dev)'
	@echo 'make test    the whole suite, on real Redis, PostgreSQL and SQLite'
	@echo 'make chaos   what the tests break on purpose, for ten minutes, with a table'
	@echo 'make check   format, lints, documentation, dependencies, house rules'
	@echo 'make bench   the benchmark, in release'
	@echo 'make deps    install what is missing (run and test call it)'

run: deps
	cargo run --quiet -- dev $(ARGS)

test: deps
	cargo test --workspace $(ARGS)

# The same scenarios as in make test, eight times; each row of the table is the sum.
chaos: deps
	@mkdir -p target/tmp && rm -f target/tmp/chaos
	LIAISON_TEST_CHAOS=long cargo test --test promises chaos:: -- --test-threads=2 $(ARGS); status=$$?; \
	echo; echo '| fault | jobs | faults | ran twice | doubled in the records | lost | back after |'; \
	echo '|---|---|---|---|---|---|---|'; sort target/tmp/chaos; exit $$status

# The cheapest first, so that a slip shows within seconds.
check: deps
	@cargo fmt --version >/dev/null 2>&1 || { echo 'rustfmt is missing: rustup component add rustfmt'; exit 1; }
	@cargo clippy --version >/dev/null 2>&1 || { echo 'clippy is missing: rustup component add clippy'; exit 1; }
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
	cargo test --locked --test promises tidy::

bench: deps
	cargo run --release -- bench --all $(ARGS)

deps:
	@.ci/deps
