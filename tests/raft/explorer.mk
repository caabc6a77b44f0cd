# Everything that can happen to three servers of the consensus core, within bounds. The core is
# compiled anew with small messages and memberships, so that a world is small.
RAFT_EXPLORER_CPPFLAGS = $(AM_CPPFLAGS) -DRAFT_MEMBERS_MAX=4 -DRAFT_MESSAGES_MAX=16
RAFT_EXPLORER_CFLAGS = $(AM_CFLAGS) -O2

check_LIBRARIES += libraftexplorer.a
libraftexplorer_a_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS)
libraftexplorer_a_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
libraftexplorer_a_SOURCES = \
	tests/raft/raft_acts.c tests/raft/raft_form.c tests/raft/raft_laws.c \
	tests/raft/raft_search.c tests/raft/raft_search.h \
	tests/raft/raft_space.c tests/raft/raft_space.h \
	orchestrator/raft/election.c orchestrator/raft/install.c orchestrator/raft/membership.c \
	orchestrator/raft/progress.c orchestrator/raft/raft.c orchestrator/raft/replication.c \
	orchestrator/raft/trail.c orchestrator/raft/transfer.c orchestrator/raft/update.c

check_PROGRAMS += raft_explorer
raft_explorer_SOURCES = tests/raft/raft_explorer.c
raft_explorer_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS)
raft_explorer_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
raft_explorer_LDADD = libraftexplorer.a

# Wider bounds: about a quarter of an hour.
.PHONY: check-explore
check-explore: raft_explorer
	./raft_explorer --long

# Does it find mistakes? Each of these has one planted in a copy of a file of the core, and succeeds
# if the explorer finds the law broken that the mistake breaks, in the plan that shows it. The
# object with the mistake takes the place of the library's.
RAFT_PLANTED = planted_old_term planted_last_index planted_no_log_check planted_two_votes \
	planted_vote_unwritten planted_vote_early planted_two_changes planted_ack_early \
	planted_truncate planted_own_early planted_commit_unchecked planted_suffix planted_deaf \
	planted_minority planted_apply_early planted_untold planted_lost_vote planted_lost_candidate
if !SANITIZE # what is found as shipped is found
check_PROGRAMS += $(RAFT_PLANTED)
TESTS += $(RAFT_PLANTED)
endif
plant_raft = $(MKDIR_P) tests/raft && \
	sh $(srcdir)/tests/explorer/plant.sh $(srcdir)/orchestrator/raft $@

# A server that lost entries votes for a log that never had them.
planted_lost_vote_SOURCES = tests/raft/raft_explorer.c
nodist_planted_lost_vote_SOURCES = tests/raft/planted_lost_vote.c
planted_lost_vote_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"damage"' \
	-DRAFT_EXPECTS='"LEADER-COMPLETENESS"'
planted_lost_vote_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_lost_vote_LDADD = libraftexplorer.a
tests/raft/planted_lost_vote.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) election.c \
	  's/trail_reaches(m->index, m->index_term, raft->lost_index, raft->lost_term)/true/'

# ... or stands for election itself.
planted_lost_candidate_SOURCES = tests/raft/raft_explorer.c
nodist_planted_lost_candidate_SOURCES = tests/raft/planted_lost_candidate.c
planted_lost_candidate_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"damage"' \
	-DRAFT_EXPECTS='"LEADER-COMPLETENESS"'
planted_lost_candidate_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_lost_candidate_LDADD = libraftexplorer.a
tests/raft/planted_lost_candidate.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) election.c 's/ \&\& raft->lost_index == 0;/;/'

# Entries of older terms are committed by counting (figure 8).
planted_old_term_SOURCES = tests/raft/raft_explorer.c
nodist_planted_old_term_SOURCES = tests/raft/planted_old_term.c
planted_old_term_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"figure-8"' \
	-DRAFT_EXPECTS='"LEADER-COMPLETENESS"'
planted_old_term_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_old_term_LDADD = libraftexplorer.a
tests/raft/planted_old_term.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/ && trail_term(raft, match) == raft->term)/)/'

# An answer acknowledges the last index, not what was compared.
planted_last_index_SOURCES = tests/raft/raft_explorer.c
nodist_planted_last_index_SOURCES = tests/raft/planted_last_index.c
planted_last_index_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"doubled"' \
	-DRAFT_EXPECTS='"ACK-DURABLE"'
planted_last_index_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_last_index_LDADD = libraftexplorer.a
tests/raft/planted_last_index.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/answer->index = m->count > 0 .*/answer->index = trail_last(raft);/'

# A vote for a log that lacks entries.
planted_no_log_check_SOURCES = tests/raft/raft_explorer.c
nodist_planted_no_log_check_SOURCES = tests/raft/planted_no_log_check.c
planted_no_log_check_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"doubled"' \
	-DRAFT_EXPECTS='"LEADER-COMPLETENESS"'
planted_no_log_check_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_no_log_check_LDADD = libraftexplorer.a
tests/raft/planted_no_log_check.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) election.c \
	  '/^static bool is_complete/,/^}/s/return /return m->from != 0 ? true : /'

# Two votes in one term.
planted_two_votes_SOURCES = tests/raft/raft_explorer.c
nodist_planted_two_votes_SOURCES = tests/raft/planted_two_votes.c
planted_two_votes_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"elections"' \
	-DRAFT_EXPECTS='"VOTE-ONCE"'
planted_two_votes_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_two_votes_LDADD = libraftexplorer.a
tests/raft/planted_two_votes.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) election.c \
	  's/bool is_free = .*/bool is_free = true;/'

# A vote that is never written.
planted_vote_unwritten_SOURCES = tests/raft/raft_explorer.c
nodist_planted_vote_unwritten_SOURCES = tests/raft/planted_vote_unwritten.c
planted_vote_unwritten_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"elections"' \
	-DRAFT_EXPECTS='"VOTE-ONCE"'
planted_vote_unwritten_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_vote_unwritten_LDADD = libraftexplorer.a
tests/raft/planted_vote_unwritten.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) election.c \
	  '/^void election_on_vote/,/^}/s/update_hard(raft, update);/(void)0;/'

# An answer to a candidate before the vote is durable.
planted_vote_early_SOURCES = tests/raft/raft_explorer.c
nodist_planted_vote_early_SOURCES = tests/raft/planted_vote_early.c
planted_vote_early_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"slow-votes"' \
	-DRAFT_EXPECTS='"VOTE-ONCE"'
planted_vote_early_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_vote_early_LDADD = libraftexplorer.a
tests/raft/planted_vote_early.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) election.c \
	  's/answer->after = raft->hard_write;/answer->after = 0;/'

# A second change of the membership before the first one is committed.
planted_two_changes_SOURCES = tests/raft/raft_explorer.c
nodist_planted_two_changes_SOURCES = tests/raft/planted_two_changes.c
planted_two_changes_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"shrink-twice"' \
	-DRAFT_EXPECTS='"LEADER-COMPLETENESS"'
planted_two_changes_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_two_changes_LDADD = libraftexplorer.a
tests/raft/planted_two_changes.c: orchestrator/raft/membership.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) membership.c \
	  's/ || raft->config.index > raft->commit)/)/'

# Entries are acknowledged before they are durable.
planted_ack_early_SOURCES = tests/raft/raft_explorer.c
nodist_planted_ack_early_SOURCES = tests/raft/planted_ack_early.c
planted_ack_early_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"slow-votes"' \
	-DRAFT_EXPECTS='"ACK-DURABLE"'
planted_ack_early_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_ack_early_LDADD = libraftexplorer.a
tests/raft/planted_ack_early.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/answer->after = raft->write;/answer->after = 0;/'

# Entries that do not conflict are truncated as well.
planted_truncate_SOURCES = tests/raft/raft_explorer.c
nodist_planted_truncate_SOURCES = tests/raft/planted_truncate.c
planted_truncate_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"pipeline"' \
	-DRAFT_EXPECTS='"COMMIT-DURABLE"'
planted_truncate_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_truncate_LDADD = libraftexplorer.a
tests/raft/planted_truncate.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/|| trail_term(raft, index) == entry->term)/|| index <= raft->commit)/'

# A leader counts its own entries before they are durable.
planted_own_early_SOURCES = tests/raft/raft_explorer.c
nodist_planted_own_early_SOURCES = tests/raft/planted_own_early.c
planted_own_early_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"slow-disk"' \
	-DRAFT_EXPECTS='"COMMIT-DURABLE"'
planted_own_early_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_own_early_LDADD = libraftexplorer.a
tests/raft/planted_own_early.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/quorum_match(raft, raft->persisted)/quorum_match(raft, trail_last(raft))/'

# A follower believes in the commit index beyond what was compared.
planted_commit_unchecked_SOURCES = tests/raft/raft_explorer.c
nodist_planted_commit_unchecked_SOURCES = tests/raft/planted_commit_unchecked.c
planted_commit_unchecked_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"doubled"' \
	-DRAFT_EXPECTS='"STATE-MACHINE-SAFETY"'
planted_commit_unchecked_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_commit_unchecked_LDADD = libraftexplorer.a
tests/raft/planted_commit_unchecked.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/uint64_t known = checked < m->commit ? checked/uint64_t known = trail_last(raft) < m->commit ? trail_last(raft)/'

# A snapshot keeps a log that does not agree with it.
planted_suffix_SOURCES = tests/raft/raft_explorer.c
nodist_planted_suffix_SOURCES = tests/raft/planted_suffix.c
planted_suffix_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"snapshot"' \
	-DRAFT_EXPECTS='"STATE-MACHINE-SAFETY"'
planted_suffix_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_suffix_LDADD = libraftexplorer.a
tests/raft/planted_suffix.c: orchestrator/raft/install.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) install.c \
	  's/update->keeps_suffix = .*/update->keeps_suffix = trail_has(raft, s->index);/'

# A server whose storage failed goes on.
planted_deaf_SOURCES = tests/raft/raft_explorer.c
nodist_planted_deaf_SOURCES = tests/raft/planted_deaf.c
planted_deaf_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"storage"' \
	-DRAFT_EXPECTS='"DEAF"'
planted_deaf_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_deaf_LDADD = libraftexplorer.a
tests/raft/planted_deaf.c: orchestrator/raft/raft.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) raft.c \
	  's/raft->has_failed = true;//'

# A candidate leads with one vote less than a majority.
planted_minority_SOURCES = tests/raft/raft_explorer.c
nodist_planted_minority_SOURCES = tests/raft/planted_minority.c
planted_minority_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"elections"' \
	-DRAFT_EXPECTS='"ELECTION-SAFETY"'
planted_minority_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_minority_LDADD = libraftexplorer.a
tests/raft/planted_minority.c: orchestrator/raft/election.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) election.c \
	  's/return count >= membership_quorum(members);/return count + 1 >= membership_quorum(members);/'

# Entries are applied before they are durable.
planted_apply_early_SOURCES = tests/raft/raft_explorer.c
nodist_planted_apply_early_SOURCES = tests/raft/planted_apply_early.c
planted_apply_early_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"slow-disk"' \
	-DRAFT_EXPECTS='"APPLY-DURABLE"'
planted_apply_early_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_apply_early_LDADD = libraftexplorer.a
tests/raft/planted_apply_early.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/raft->commit < raft->persisted ? raft->commit : raft->persisted;/raft->commit;/'

# Entries are truncated in memory, and the disk is not told.
planted_untold_SOURCES = tests/raft/raft_explorer.c
nodist_planted_untold_SOURCES = tests/raft/planted_untold.c
planted_untold_CPPFLAGS = $(RAFT_EXPLORER_CPPFLAGS) -DRAFT_PLAN='"doubled"' \
	-DRAFT_EXPECTS='"WRITTEN-AS-KEPT"'
planted_untold_CFLAGS = $(RAFT_EXPLORER_CFLAGS)
planted_untold_LDADD = libraftexplorer.a
tests/raft/planted_untold.c: orchestrator/raft/replication.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant_raft) replication.c \
	  's/update->truncate_from = index;//'

CLEANFILES += tests/raft/planted_*.c
