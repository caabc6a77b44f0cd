# The simulator of the consensus core: whole clusters in virtual time, one seed a history, every
# invariant looked after in every event. The core is compiled in, so that it can be a wrong one.
RAFT_SIM_CORE = orchestrator/raft/election.c orchestrator/raft/install.c \
	orchestrator/raft/membership.c orchestrator/raft/progress.c orchestrator/raft/raft.c \
	orchestrator/raft/replication.c orchestrator/raft/trail.c orchestrator/raft/transfer.c \
	orchestrator/raft/update.c
RAFT_SIM_WORLD = \
	tests/raft/sim_check.c tests/raft/sim_check.h tests/raft/sim_client.c tests/raft/sim_disk.c \
	tests/raft/sim_faults.c tests/raft/sim_history.c tests/raft/sim_history.h tests/raft/sim_net.c tests/raft/sim_queue.c tests/raft/sim_random.h \
	tests/raft/sim_server.c tests/raft/sim_step.c tests/raft/sim_suite.c tests/raft/sim_suite.h tests/raft/sim_trace.c tests/raft/sim_world.c \
	tests/raft/sim_world.h
RAFT_SIM_CPPFLAGS = $(AM_CPPFLAGS) -DRAFT_MEMBERS_MAX=12
RAFT_SIM_CFLAGS = $(AM_CFLAGS) -O2

# The right one; as a library, so that the object with a mistake takes the place of one of its own.
check_LIBRARIES += libraftsim.a
libraftsim_a_CPPFLAGS = $(RAFT_SIM_CPPFLAGS)
libraftsim_a_CFLAGS = $(RAFT_SIM_CFLAGS)
libraftsim_a_SOURCES = $(RAFT_SIM_CORE) $(RAFT_SIM_WORLD)

check_PROGRAMS += sim
sim_SOURCES = tests/raft/sim.c
sim_CPPFLAGS = $(RAFT_SIM_CPPFLAGS)
sim_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_LDADD = libraftsim.a libbase.a

TESTS += tests/raft/sim-3.sh tests/raft/sim-5.sh tests/raft/sim-7.sh
EXTRA_DIST += tests/raft/sim-3.sh tests/raft/sim-5.sh tests/raft/sim-7.sh

# SEEDS=n of them, of three servers and of five; FIRST=s begins elsewhere.
.PHONY: check-sim
check-sim: sim
	./sim --servers 3 --seeds $${SEEDS:-100000} --first $${FIRST:-1} --jobs $${JOBS:-$$(nproc)}
	./sim --servers 5 --seeds $${SEEDS:-100000} --first $${FIRST:-1} --jobs $${JOBS:-$$(nproc)}

# Does it find mistakes? Each of these has one planted, in a copy of a file of the core or in the
# driver, and succeeds if one of the invariants that SIM_EXPECTS names is found broken within
# SIM_WITHIN seeds. Direct checks of a mistake are off in them (SIM_CONSEQUENCES): it has to be
# found by what comes of it.
RAFT_SIM_PLANTED = sim_planted_loyalty sim_planted_fresh sim_planted_figure8 sim_planted_last_index \
	sim_planted_early_ack sim_planted_two_changes sim_planted_forgotten_vote \
	sim_planted_forgotten_loss sim_planted_lost_candidate sim_planted_lost_vote sim_planted_lost_deaf
if !SANITIZE # what is found as shipped is found
check_PROGRAMS += $(RAFT_SIM_PLANTED)
TESTS += $(RAFT_SIM_PLANTED)
endif
sim_plant = $(MKDIR_P) tests/raft && \
	sh $(srcdir)/tests/explorer/plant.sh $(srcdir)/orchestrator/raft $@

# No loyalty: whoever asks for a vote gets it, also from those who hear from a leader (rule 1).
sim_planted_loyalty_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_loyalty_SOURCES = tests/raft/sim_planted_loyalty.c
sim_planted_loyalty_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_EXPECTS='"FRESH STABLE"' -DSIM_WITHIN=3000
sim_planted_loyalty_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_loyalty_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_loyalty.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) election.c \
	  's/return raft->role == RAFT_LEADER || raft->now_ms < raft->heard_ms + loyal_ms;/(void)loyal_ms; return raft->role == RAFT_LEADER;/'

# An answer counts from when it arrives, not from when its request was sent (rule 2).
sim_planted_fresh_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_fresh_SOURCES = tests/raft/sim_planted_fresh.c
sim_planted_fresh_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 -DSIM_EXPECTS='"FRESH"' \
	-DSIM_WITHIN=1000
sim_planted_fresh_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_fresh_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_fresh.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) replication.c 's/p->answered_ms = m->sent_ms;/p->answered_ms = raft->now_ms;/'

# Entries of older terms are committed by counting copies: figure 8 of the paper (rule 3).
sim_planted_figure8_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_figure8_SOURCES = tests/raft/sim_planted_figure8.c
sim_planted_figure8_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_EXPECTS='"MACHINE COMPLETE LOST"' -DSIM_WITHIN=10000
sim_planted_figure8_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_figure8_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_figure8.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) replication.c 's/ && trail_term(raft, match) == raft->term)/)/'

# A follower acknowledges whatever is last in its log (rule 4).
sim_planted_last_index_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_last_index_SOURCES = tests/raft/sim_planted_last_index.c
sim_planted_last_index_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_EXPECTS='"COMMIT MACHINE COMPLETE LOST"' -DSIM_WITHIN=1000
sim_planted_last_index_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_last_index_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_last_index.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) replication.c \
	  's/answer->index = m->count > 0 .*$$/answer->index = trail_last(raft); (void)checked;/'

# The driver sends before what it acknowledges is durable.
sim_planted_early_ack_SOURCES = tests/raft/sim.c tests/raft/sim_check.c tests/raft/sim_step.c
sim_planted_early_ack_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 -DSIM_IGNORES_AFTER=1 \
	-DSIM_EXPECTS='"COMMIT MACHINE COMPLETE LOST ELECTION"' -DSIM_WITHIN=1000
sim_planted_early_ack_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_early_ack_LDADD = libraftsim.a libbase.a

# A change of the membership begins while another is not committed (rule 7).
sim_planted_two_changes_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_two_changes_SOURCES = tests/raft/sim_planted_two_changes.c
sim_planted_two_changes_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_EXPECTS='"CHANGE MACHINE COMPLETE ELECTION"' -DSIM_WITHIN=1000
sim_planted_two_changes_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_two_changes_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_two_changes.c: orchestrator/raft/membership.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) membership.c \
	  's/raft->commit < raft->term_start || raft->config.index > raft->commit/raft->commit < raft->term_start/'

# The driver stores the term and not the vote.
sim_planted_forgotten_vote_SOURCES = tests/raft/sim.c tests/raft/sim_check.c tests/raft/sim_disk.c
sim_planted_forgotten_vote_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_FORGETS_VOTES=1 -DSIM_EXPECTS='"VOTE ELECTION"' -DSIM_WITHIN=2000
sim_planted_forgotten_vote_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_forgotten_vote_LDADD = libraftsim.a libbase.a

# What damage took is forgotten: the log is short, and the server is like any other.
sim_planted_forgotten_loss_SOURCES = tests/raft/sim.c tests/raft/sim_check.c tests/raft/sim_disk.c
sim_planted_forgotten_loss_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_FORGETS_LOST=1 -DSIM_EXPECTS='"COMPLETE MACHINE LOST"' -DSIM_WITHIN=3000
sim_planted_forgotten_loss_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_forgotten_loss_LDADD = libraftsim.a libbase.a

# A server that lost entries stands for election.
sim_planted_lost_candidate_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_lost_candidate_SOURCES = tests/raft/sim_planted_lost_candidate.c
sim_planted_lost_candidate_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_EXPECTS='"COMPLETE MACHINE LOST"' -DSIM_WITHIN=5000
sim_planted_lost_candidate_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_lost_candidate_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_lost_candidate.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) election.c 's/ \&\& raft->lost_index == 0;/;/'

# ... or votes for a log that is shorter than what it lost.
sim_planted_lost_vote_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_lost_vote_SOURCES = tests/raft/sim_planted_lost_vote.c
sim_planted_lost_vote_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_CONSEQUENCES=1 \
	-DSIM_EXPECTS='"COMPLETE MACHINE LOST"' -DSIM_WITHIN=5000
sim_planted_lost_vote_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_lost_vote_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_lost_vote.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) election.c \
	  's/trail_reaches(m->index, m->index_term, raft->lost_index, raft->lost_term)/true/'

# A leader goes on believing that a server has what it says to have lost.
sim_planted_lost_deaf_SOURCES = tests/raft/sim.c tests/raft/sim_check.c
nodist_sim_planted_lost_deaf_SOURCES = tests/raft/sim_planted_lost_deaf.c
sim_planted_lost_deaf_CPPFLAGS = $(RAFT_SIM_CPPFLAGS) -DSIM_EXPECTS='"LIVE"' -DSIM_WITHIN=3000
sim_planted_lost_deaf_CFLAGS = $(RAFT_SIM_CFLAGS)
sim_planted_lost_deaf_LDADD = libraftsim.a libbase.a
tests/raft/sim_planted_lost_deaf.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(sim_plant) replication.c 's/if (m->has_lost)/if (false)/'

CLEANFILES += tests/raft/sim_planted_*.c
