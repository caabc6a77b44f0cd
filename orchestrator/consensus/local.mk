# Floor 3: the agreed log, behind engine.h.
noinst_LIBRARIES += libconsensus.a
libconsensus_a_SOURCES = \
	orchestrator/consensus/engine.h \
	orchestrator/consensus/journal_tail.c orchestrator/consensus/journal_tail.h \
	orchestrator/consensus/pending.c orchestrator/consensus/pending.h \
	orchestrator/consensus/round.c orchestrator/consensus/round.h \
	orchestrator/consensus/snapshot_plan.c orchestrator/consensus/snapshot_plan.h \
	orchestrator/consensus/engine.c orchestrator/consensus/engine_state.h \
	orchestrator/consensus/drive.c orchestrator/consensus/drive_load.c \
	orchestrator/consensus/engine_query.c \
	orchestrator/consensus/log_cache.c orchestrator/consensus/log_cache.h \
	orchestrator/consensus/reads.c orchestrator/consensus/reads.h \
	orchestrator/consensus/roster.c orchestrator/consensus/roster.h \
	orchestrator/consensus/scrub.c orchestrator/consensus/scrub.h \
	orchestrator/consensus/store.c orchestrator/consensus/store.h \
	orchestrator/consensus/store_file.c orchestrator/consensus/store_file.h \
	orchestrator/consensus/store_repair.c \
	orchestrator/consensus/store_tools.c orchestrator/consensus/store_tools.h \
	orchestrator/consensus/store_verify.c orchestrator/consensus/store_verify.h \
	orchestrator/consensus/store_wal.c orchestrator/consensus/store_wal.h \
	orchestrator/consensus/tell.c
libconsensus_a_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS) $(XXHASH_CFLAGS) $(PROTOBUF_C_CFLAGS)

# Linked by whatever links libconsensus.a.
CONSENSUS_LIBS = libconsensus.a libraft.a libsys.a libproto.a libcore.a libbase.a \
	$(PROTOBUF_C_LIBS) $(SQLITE_LIBS) $(XXHASH_LIBS) $(UV_LIBS) -lpthread

check_PROGRAMS += test_store test_store_damage test_store_tools test_engine test_engine_cluster
TESTS += test_store test_store_damage test_store_tools test_engine test_engine_cluster
test_store_tools_SOURCES = tests/unit/test_store_tools.c
test_store_tools_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS) $(SQLITE_CFLAGS)
test_store_tools_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_store_tools_LDADD = $(CONSENSUS_LIBS) $(CHECK_LIBS)
test_engine_cluster_SOURCES = tests/unit/test_engine_cluster.c
test_engine_cluster_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS) $(SQLITE_CFLAGS)
test_engine_cluster_LDADD = $(CONSENSUS_LIBS) $(CHECK_LIBS)
test_store_SOURCES = tests/unit/test_store.c tests/unit/store_fixture.h \
	tests/tools/engine_disk_faults.c tests/tools/engine_disk_faults.h
test_store_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(SQLITE_CFLAGS)
test_store_LDADD = libconsensus.a libraft.a libbase.a $(SQLITE_LIBS) $(XXHASH_LIBS) -ldl $(CHECK_LIBS)
test_store_damage_SOURCES = tests/unit/test_store_damage.c tests/unit/store_fixture.h \
	tests/tools/engine_disk_faults.c tests/tools/engine_disk_faults.h
test_store_damage_CPPFLAGS = $(test_store_CPPFLAGS)
test_store_damage_LDADD = $(test_store_LDADD)
test_engine_SOURCES = tests/unit/test_engine.c \
	tests/tools/engine_disk_faults.c tests/tools/engine_disk_faults.h
test_engine_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(SQLITE_CFLAGS)
test_engine_LDADD = $(CONSENSUS_LIBS) -ldl $(CHECK_LIBS)

# How many proposals a second this disk takes; for people, not a test.
check_PROGRAMS += engine_measure
engine_measure_SOURCES = tests/tools/engine_measure.c
engine_measure_LDADD = $(CONSENSUS_LIBS)
