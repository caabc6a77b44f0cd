# Benchmarks of the quorum; for people, not part of check. Where libraft-dev is installed it is
# measured in the same run.
EXTRA_PROGRAMS += tests/bench/quorum_bench
tests_bench_quorum_bench_SOURCES = tests/bench/quorum_bench.c tests/bench/bench.c tests/bench/bench.h \
	orchestrator/quorum/mesh.c orchestrator/quorum/mesh.h
tests_bench_quorum_bench_CPPFLAGS = $(AM_CPPFLAGS) -DEPHOR_VERSION='"$(PACKAGE_VERSION)"'
tests_bench_quorum_bench_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_bench_quorum_bench_LDADD = $(CONSENSUS_LIBS) $(SSL_LIBS)
EXTRA_DIST += tests/bench/libraft_yardstick.c tests/bench/bench_quorum.sh
CLEANFILES += tests/bench/quorum_bench tests/bench/libraft_yardstick

.PHONY: bench-quorum
bench-quorum: tests/bench/quorum_bench
	$(srcdir)/tests/bench/bench_quorum.sh $(srcdir) $(builddir)

# Failovers beside Keepalived's, where that is installed; needs root and an idle machine.
EXTRA_DIST += tests/bench/failover.py
.PHONY: bench-failover
bench-failover: all
	python3 $(srcdir)/tests/bench/failover.py --build $(builddir) --runs $${RUNS:-20}
