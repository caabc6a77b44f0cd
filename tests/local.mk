# Tests beside the floors' own: tools, the explorer, lint, the lab.
noinst_PROGRAMS += tests/tools/vipwatch
tests_tools_vipwatch_SOURCES = tests/tools/vipwatch.c
noinst_PROGRAMS += tests/tools/vippoll
tests_tools_vippoll_SOURCES = tests/tools/vippoll.c

# A shared object without libtool; never sanitized (see there).
noinst_PROGRAMS += tests/lab/crowd
tests_lab_crowd_SOURCES = tests/lab/crowd.c
tests_lab_crowd_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
tests_lab_crowd_LDADD = libquorum.a libconsensus.a libsys.a libproto.a libcore.a libbase.a $(UV_LIBS) $(SSL_LIBS) \
	$(JANSSON_LIBS) $(PROTOBUF_C_LIBS) $(XXHASH_LIBS) -lm
noinst_PROGRAMS += tests/lab/eio.so
tests_lab_eio_so_SOURCES = tests/lab/eio.c
tests_lab_eio_so_CFLAGS = $(AM_CFLAGS) -fPIC -fno-sanitize=all
tests_lab_eio_so_LDFLAGS = -shared -Wl,-z,relro -Wl,-z,now

# An older version, which knows the first rules only.
noinst_PROGRAMS += ephord-before
ephord_before_SOURCES = orchestrator/ephord.c orchestrator/core/rules.c
ephord_before_CPPFLAGS = $(AM_CPPFLAGS) -DCORE_RULES_MAX=1
ephord_before_LDADD = $(ephord_LDADD)

EXTRA_DIST += \
	tests/lab/bad_disk.py tests/lab/bad_input.py tests/lab/certificates.py tests/lab/cluster.py \
	tests/lab/detect.py tests/lab/diagnosis.py tests/lab/failover.py tests/lab/fault_server.py \
	tests/lab/http_poll.py tests/lab/lab.py tests/lab/lossy_ping.sh tests/lab/own_hosts.sh \
	tests/lab/leading.py \
	tests/lab/listener.py tests/lab/lsan.supp tests/lab/many_eyes.py tests/lab/measure.py \
	tests/lab/operate.py tests/lab/partitions.py tests/lab/policy.py tests/lab/quorum.py tests/lab/run.py \
	tests/lab/scenario.py \
	tests/lint/clang-tidy.yml tests/lint/lint.sh .clang-format .ci/run

.PHONY: lint check-lab
lint: all
	$(srcdir)/tests/lint/lint.sh --self-test $(srcdir) $(builddir)
	$(srcdir)/tests/lint/lint.sh $(srcdir) $(builddir)

# The end-to-end scenarios; needs root and network namespaces.
check-lab: all
	python3 $(srcdir)/tests/lab/run.py --build $(builddir) --keep $(builddir)/lab-failures

# Some minutes of kill -9 with a history at the end; STORM=seconds.
.PHONY: check-storm
check-storm: all
	EPHOR_STORM_SECONDS=$${STORM:-300} python3 $(srcdir)/tests/lab/run.py --build $(builddir) \
	  --keep $(builddir)/lab-failures acknowledged_is_kept in_a_storm

# The holder of the address cut off in every way, N times, by one controller and by three.
.PHONY: check-partitions
check-partitions: all
	EPHOR_PARTITIONS=$$(( ($${N:-200} + 1) / 2 )) timeout 3600 python3 $(srcdir)/tests/lab/run.py \
	  --build $(builddir) --keep $(builddir)/lab-failures random_partitions

# A new policy for 5,000 services while their checks run, on an idle machine.
.PHONY: check-many
check-many: all
	EPHOR_SERVICES=$${MANY:-5000} EPHOR_INTERVAL=15 timeout 240 python3 $(srcdir)/tests/lab/run.py \
	  --build $(builddir) --keep $(builddir)/lab-failures many_checks

include tests/unit/local.mk
include tests/explorer/local.mk
include tests/raft/cases.mk
include tests/raft/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/raft/explorer.mk
include tests/sim/local.mk
