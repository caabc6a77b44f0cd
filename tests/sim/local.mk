# The simulator with everything in the loop: the product's processes over the simulator of the
# consensus core, with nodes, services and paths. See whole.h.
WHOLE_WORLD = \
	tests/sim/whole.h tests/sim/whole_channel.c tests/sim/whole_check.c tests/sim/whole_check.h \
	tests/sim/whole_checker.c tests/sim/whole_cluster.c tests/sim/whole_controller.c \
	tests/sim/whole_engine.c tests/sim/whole_faults.c tests/sim/whole_node.c \
	tests/sim/whole_policy.c tests/sim/whole_step.c tests/sim/whole_step.h tests/sim/whole_sys.c \
	tests/sim/whole_verdict.c tests/sim/whole_world.c
# What is the product's own. cluster.c and all that it needs is played instead.
WHOLE_PRODUCT = \
	orchestrator/actor/actor.c orchestrator/actor/commands.c orchestrator/actor/holds.c \
	orchestrator/actor/node.c orchestrator/actor/outbox.c \
	orchestrator/quorum/calm.c orchestrator/quorum/offers.c orchestrator/quorum/peers.c orchestrator/quorum/presence.c orchestrator/quorum/proposals.c \
	orchestrator/quorum/quorum.c orchestrator/quorum/readers.c orchestrator/quorum/sight.c \
	orchestrator/checker/job_results.c orchestrator/checker/job_verdicts.c \
	orchestrator/checker/jobs.c orchestrator/checker/jobs_adopt.c \
	orchestrator/checker/reporter.c orchestrator/checker/schedule.c checks/cause.c \
	orchestrator/sys/results.c
WHOLE_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DEPHOR_VERSION='"$(PACKAGE_VERSION)"'
WHOLE_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(XXHASH_CFLAGS) -O2
WHOLE_LIBS = libraftsim.a libproto.a libcore.a libbase.a $(PROTOBUF_C_LIBS) $(XXHASH_LIBS)

check_LIBRARIES += libwhole.a
libwhole_a_CPPFLAGS = $(WHOLE_CPPFLAGS)
libwhole_a_CFLAGS = $(WHOLE_CFLAGS)
libwhole_a_SOURCES = $(WHOLE_WORLD) $(WHOLE_PRODUCT)

check_PROGRAMS += whole
whole_SOURCES = tests/raft/sim.c
whole_CPPFLAGS = $(WHOLE_CPPFLAGS)
whole_CFLAGS = $(WHOLE_CFLAGS)
whole_LDADD = libwhole.a $(WHOLE_LIBS)

TESTS += tests/sim/whole-1.sh tests/sim/whole-3.sh tests/sim/whole-5.sh
EXTRA_DIST += tests/sim/whole-1.sh tests/sim/whole-3.sh tests/sim/whole-5.sh

# SEEDS=n of them, of one, three and five controllers; FIRST=s begins elsewhere.
.PHONY: check-whole
check-whole: whole
	for n in 1 3 5; do \
	  ./whole --servers $$n --seeds $${SEEDS:-20000} --first $${FIRST:-1} \
	    --jobs $${JOBS:-$$(nproc)} || exit 1; \
	done

include tests/sim/plants.mk
