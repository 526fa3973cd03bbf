# The only commands a newcomer needs. ARGS passes more words on: make run ARGS=--once, make test ARGS=claiming
.PHONY: help run test chaos check bench deps release install uninstall deb package

# Where things go: make install PREFIX=/usr DESTDIR=/a/staging/tree
PREFIX = /usr/local
SYSCONFDIR = /etc
DESTDIR =
# What is installed: by default what `make release` built.
BINARY = target/packaged/liaison

BIN = $(DESTDIR)$(PREFIX)/bin
SHARE = $(DESTDIR)$(PREFIX)/share
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
CONFIG = $(DESTDIR)$(SYSCONFDIR)/liaison
COMPLETIONS = $(SHARE)/bash-completion/completions/liaison $(SHARE)/zsh/site-functions/_liaison \
	$(SHARE)/fish/vendor_completions.d/liaison.fish

help:
	@echo 'make run     build, and start everything embedded (liaison dev)'
	@echo 'make test    the whole suite, on real Redis, PostgreSQL and SQLite'
	@echo 'make chaos   what the tests break on purpose, for twenty minutes, with a table'
	@echo 'make check   format, lints, documentation, dependencies, house rules'
	@echo 'make bench   the benchmark, in release'
	@echo 'make deps    install what is missing (run and test call it)'
	@echo 'make release    build what is installed and packaged'
	@echo 'make install    put it into PREFIX ($(PREFIX)), with unit, manual, completions and configuration'
	@echo 'make uninstall  take it out again; configuration, key and data stay'
	@echo 'make deb        a package for Debian, in target/debian'

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

# Without `liaison dev` and its stand-in providers. A folder of its own, because `make bench` builds them with it.
release:
	cargo build --release --locked --no-default-features
	install -D -m 755 target/release/liaison target/packaged/liaison

install:
	@test -x $(BINARY) || { echo 'make install: $(BINARY) is not there: run make release first' >&2; exit 1; }
	install -D -m 755 $(BINARY) $(BIN)/liaison
	install -d -m 755 $(SHARE)/man/man1 $(UNITS) $(CONFIG) $(dir $(COMPLETIONS))
	$(BIN)/liaison man --dir $(SHARE)/man/man1
	$(BIN)/liaison completions bash >$(word 1,$(COMPLETIONS))
	$(BIN)/liaison completions zsh >$(word 2,$(COMPLETIONS))
	$(BIN)/liaison completions fish >$(word 3,$(COMPLETIONS))
	chmod 644 $(SHARE)/man/man1/liaison*.1 $(COMPLETIONS)
	for unit in systemd/*.service systemd/*.timer; do \
		sed 's,/usr/bin/liaison,$(PREFIX)/bin/liaison,g; s,/etc/liaison,$(SYSCONFDIR)/liaison,g' $$unit \
			>$(UNITS)/$${unit##*/} && chmod 644 $(UNITS)/$${unit##*/} || exit 1; \
	done
	install -D -m 644 systemd/notify-reload.conf $(SHARE)/liaison/notify-reload.conf
	install -D -m 644 systemd/secrets.conf $(SHARE)/liaison/secrets.conf
# What an operator may have changed is left as it is.
	for file in liaison.toml scheduler.toml; do \
		test -e $(CONFIG)/$$file || install -m 644 $$file $(CONFIG)/$$file || exit 1; \
	done
# In a staging tree it is the package that does this, on the machine where it is installed.
ifeq ($(DESTDIR),)
	PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) systemd/debian/postinst prepare
	@echo 'Edit $(CONFIG)/liaison.toml if need be, then: systemctl daemon-reload && systemctl enable --now liaison'
endif

uninstall:
	rm -f $(BIN)/liaison $(SHARE)/man/man1/liaison.1 $(SHARE)/man/man1/liaison-*.1 $(COMPLETIONS)
	for unit in systemd/*.service systemd/*.timer; do rm -f $(UNITS)/$${unit##*/}; done
	rm -rf $(UNITS)/liaison.service.d/notify-reload.conf $(UNITS)/liaison@.service.d/notify-reload.conf $(SHARE)/liaison
	@rmdir --ignore-fail-on-non-empty $(UNITS)/liaison.service.d $(UNITS)/liaison@.service.d 2>/dev/null || true

deb: release
	$(MAKE) package

# The package of what BINARY is; DEB says more to cargo-deb. Takes seconds, where the build takes minutes.
package:
	@cargo deb --version >/dev/null 2>&1 || { echo 'make deb: cargo-deb is missing: cargo install cargo-deb --locked' >&2; exit 1; }
	rm -rf target/staging
	$(MAKE) install DESTDIR=target/staging PREFIX=/usr SYSCONFDIR=/etc
	cargo deb --no-build --no-strip --locked $(DEB)
