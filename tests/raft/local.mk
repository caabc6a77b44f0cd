# The simulator of the consensus core: whole clusters in virtual time, one seed a history, every
# invariant looked after in every event. The core is compiled in, so that it can be a wrong one.
RAFT_SIM_CORE = orchestrator/raft/election.c orchestrator/raft/install.c \
	orchestrator/raft/membership.c orchestrator/raft/progress.c orchestrator/raft/raft.c \
	orchestrator/raft/replication.c orchestrator/raft/trail.c orchestrator/raft/transfer.c \
	orchestrator/raft/update.c
RAFT_SIM_WORLD = \
	tests/raft/sim_check.c tests/raft/sim_check.h tests/raft/sim_client.c tests/raft/sim_disk.c \
	tests/raft/sim_faults.c tests/raft/sim_net.c tests/raft/sim_queue.c tests/raft/sim_random.h \
	tests/raft/sim_server.c tests/raft/sim_step.c tests/raft/sim_trace.c tests/raft/sim_world.c \
	tests/raft/sim_world.h
RAFT_SIM_CPPFLAGS = $(AM_CPPFLAGS) -DRAFT_MEMBERS_MAX=12
RAFT_SIM_CFLAGS = $(AM_CFLAGS) -O2

# The right one; as a library, so that the object with a mistake takes the place of one of its own.
check_LIBRARIES += libraftsim.a libraftconsequences.a
libraftsim_a_CPPFLAGS = $(RAFT_SIM_CPPFLAGS)
libraftsim_a_CFLAGS = $(RAFT_SIM_CFLAGS)
libraftsim_a_SOURCES = $(RAFT_SIM_CORE) $(RAFT_SIM_WORLD)

# The same, but a mistake counts only by what comes of it.
libraftconsequences_a_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1
libraftconsequences_a_CFLAGS = $(RAFT_SIM_CFLAGS)
libraftconsequences_a_SOURCES = $(libraftsim_a_SOURCES)

check_PROGRAMS += sim
sim_SOURCES = tests/raft/sim.c
sim_CPPFLAGS = $(RAFT_SIM_CPPFLAGS)
sim_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_LDADD = libraftsim.a libbase.a

TESTS += tests/raft/sim-3.sh tests/raft/sim-5.sh
EXTRA_DIST += tests/raft/sim-3.sh tests/raft/sim-5.sh

# SEEDS=n of them, of three servers and of five; FIRST=s begins elsewhere.
.PHONY: check-sim
check-sim: sim
	./sim --servers 3 --seeds $${SEEDS:-100000} --first $${FIRST:-1} --jobs $${JOBS:-$$(nproc)}
	./sim --servers 5 --seeds $${SEEDS:-100000} --first $${FIRST:-1} --jobs $${JOBS:-$$(nproc)}

# Does it find mistakes? Each of these has one planted, in a copy of a file of the core or in the
# driver, and succeeds if one of the invariants that SIM_EXPECTS names is found broken within
# SIM_WITHIN seeds.
RAFT_SIM_PLANTED = sim_planted_loyalty sim_planted_fresh sim_planted_figure8 sim_planted_last_index \
	sim_planted_early_ack sim_planted_two_changes sim_planted_forgotten_vote
check_PROGRAMS += $(RAFT_SIM_PLANTED)
TESTS += $(RAFT_SIM_PLANTED)
sim_plant = $(MKDIR_P) tests/raft && \
	sh $(srcdir)/tests/explorer/plant.sh $(srcdir)/orchestrator/raft $@
