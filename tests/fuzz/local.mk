# Fuzz targets. In make check each runs a few thousand inputs out of a fixed generator; make
# check-fuzz builds them with libFuzzer (configure --enable-fuzzer, in fuzz/) and lets it look for
# FUZZ seconds each. An input that found something goes to tests/fuzz/seeds/.
FUZZ_TARGETS = fuzz_conf fuzz_peer fuzz_store fuzz_tls fuzz_watch
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_RUNS=3000
FUZZ_SEEDS = $(abs_top_srcdir)/tests/fuzz/seeds
EXTRA_DIST += tests/fuzz/run.sh tests/fuzz/seeds tests/fuzz/standalone.c
check_PROGRAMS += $(FUZZ_TARGETS)
if FUZZER
FUZZ_MAIN =
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_MAIN = tests/fuzz/standalone.c
FUZZ_LINK = $(AM_LDFLAGS)
TESTS += $(FUZZ_TARGETS)
endif

fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(FUZZ_MAIN)
fuzz_conf_CPPFLAGS = $(FUZZ_CPPFLAGS) $(PROTOBUF_C_CFLAGS) -DFUZZ_SEEDS='"$(abs_top_srcdir)/tests/conf"'
fuzz_conf_LDFLAGS = $(FUZZ_LINK)
fuzz_conf_LDADD = $(CONF_LIBS)

fuzz_peer_SOURCES = tests/fuzz/fuzz_peer.c $(FUZZ_MAIN)
fuzz_peer_CPPFLAGS = $(FUZZ_CPPFLAGS) $(PROTOBUF_C_CFLAGS) -DFUZZ_SEEDS='"$(FUZZ_SEEDS)/peer"'
fuzz_peer_LDFLAGS = $(FUZZ_LINK)
fuzz_peer_LDADD = libproto.a libraft.a libbase.a $(PROTOBUF_C_LIBS)

fuzz_store_SOURCES = tests/fuzz/fuzz_store.c $(FUZZ_MAIN)
fuzz_store_CPPFLAGS = $(FUZZ_CPPFLAGS) $(SQLITE_CFLAGS) $(PROTOBUF_C_CFLAGS) -DFUZZ_SEEDS='"$(FUZZ_SEEDS)/store"'
fuzz_store_LDFLAGS = $(FUZZ_LINK)
fuzz_store_LDADD = libconsensus.a libbase.a $(SQLITE_LIBS) $(XXHASH_LIBS)

fuzz_tls_SOURCES = tests/fuzz/fuzz_tls.c $(FUZZ_MAIN)
fuzz_tls_CPPFLAGS = $(FUZZ_CPPFLAGS) $(SSL_CFLAGS) -DFUZZ_SEEDS='"$(FUZZ_SEEDS)/tls"'
fuzz_tls_LDFLAGS = $(FUZZ_LINK)
fuzz_tls_LDADD = libsys.a libbase.a $(UV_LIBS) $(SSL_LIBS) -lm

# Links, timers and the log are played; the machine is real.
fuzz_watch_SOURCES = tests/fuzz/fuzz_watch.c $(FUZZ_MAIN) orchestrator/quorum/census.c \
	orchestrator/quorum/observers.c
fuzz_watch_CPPFLAGS = $(FUZZ_CPPFLAGS) $(PROTOBUF_C_CFLAGS) -DFUZZ_SEEDS='"$(FUZZ_SEEDS)/watch"'
fuzz_watch_LDFLAGS = $(FUZZ_LINK)
fuzz_watch_LDADD = libproto.a libcore.a libbase.a $(PROTOBUF_C_LIBS) $(XXHASH_LIBS)

.PHONY: check-fuzz fuzz-targets
check-fuzz:
	MAKE="$(MAKE)" FUZZ_CLANG="$(FUZZ_CLANG)" \
	  $(srcdir)/tests/fuzz/run.sh $(abs_top_srcdir) $${FUZZ:-60} $(FUZZ_TARGETS)
fuzz-targets: $(BUILT_SOURCES)
	$(MAKE) $(AM_MAKEFLAGS) $(FUZZ_TARGETS)
