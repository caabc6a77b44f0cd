# The explorer: every state that a small cluster can reach, checked for what must never happen. The
# core is compiled anew with small texts, so that states are small.
EXPLORER_CPPFLAGS = $(AM_CPPFLAGS) -DNAME_SIZE=8 -DID_SIZE=24 -DTEXT_SIZE=8 -DADDRESS_SIZE=8 \
	-DINTERFACE_SIZE=8 -DCONTROLLERS_MAX=3 -DBUDGET_MAX=3 -DEFFECTS_MAX=16
EXPLORER_CFLAGS = $(AM_CFLAGS) -O2

check_LIBRARIES += libexplorer.a
libexplorer_a_CPPFLAGS = $(EXPLORER_CPPFLAGS)
libexplorer_a_CFLAGS = $(EXPLORER_CFLAGS)
libexplorer_a_SOURCES = \
	tests/explorer/act.c tests/explorer/canonical.c tests/explorer/invariants.c \
	tests/explorer/world.c tests/explorer/world.h \
	orchestrator/core/adopt.c orchestrator/core/board.c orchestrator/core/budget.c \
	orchestrator/core/core.c \
	orchestrator/core/decide.c orchestrator/core/diagnose.c \
	orchestrator/core/diagnose_text.c orchestrator/core/explain.c \
	orchestrator/core/headcount.c orchestrator/core/journal.c \
	orchestrator/core/names.c orchestrator/core/orders.c orchestrator/core/recovery.c \
	orchestrator/core/lease.c orchestrator/core/vips.c \
	orchestrator/core/restart.c orchestrator/core/rules.c orchestrator/core/snapshot.c \
	orchestrator/core/stale.c orchestrator/core/step.c orchestrator/core/survey.c \
	orchestrator/core/vantage.c orchestrator/core/verdict.c \
	orchestrator/core/words.c

check_PROGRAMS += explorer
explorer_SOURCES = tests/explorer/explorer.c
explorer_CPPFLAGS = $(EXPLORER_CPPFLAGS)
explorer_CFLAGS = $(EXPLORER_CFLAGS)
explorer_LDADD = libexplorer.a libbase.a

# Does it find mistakes? Each of these has one planted in a copy of a file of the core, and succeeds
# if the explorer finds the invariant violated that the mistake breaks. The object with the mistake
# takes the place of the library's.
EXPLORER_PLANTED = planted_grant planted_unreachable planted_budget planted_older planted_settle \
	planted_stale planted_unknown planted_unheard planted_again
if !SANITIZE # what is found as shipped is found
check_PROGRAMS += $(EXPLORER_PLANTED)
TESTS += $(EXPLORER_PLANTED)
endif
EXTRA_DIST += tests/explorer/plant.sh
plant = $(MKDIR_P) tests/explorer && \
	sh $(srcdir)/tests/explorer/plant.sh $(srcdir)/orchestrator/core $@

# A grant before the release is confirmed.
planted_grant_SOURCES = tests/explorer/explorer.c
nodist_planted_grant_SOURCES = tests/explorer/planted_grant.c tests/explorer/planted_grant_vips.c
planted_grant_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"WAIT-OUT"'
planted_grant_CFLAGS = $(EXPLORER_CFLAGS)
planted_grant_LDADD = libexplorer.a libbase.a
tests/explorer/planted_grant_vips.c: orchestrator/core/vips.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) vips.c 's/PRE(vip->holder == NONE .*/(void)0;/'
tests/explorer/planted_grant.c: orchestrator/core/recovery.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) recovery.c \
	  's/core_vip(core, i)->phase == VIP_RELEASING || //' \
	  's/if ((vip->phase == VIP_FREE && is_addr/if ((vip->phase != VIP_GRANTED \&\& is_addr/'

# A release on a node that cannot be reached counts as done.
planted_unreachable_SOURCES = tests/explorer/explorer.c
nodist_planted_unreachable_SOURCES = tests/explorer/planted_unreachable.c
planted_unreachable_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"WAIT-OUT"'
planted_unreachable_CFLAGS = $(EXPLORER_CFLAGS)
planted_unreachable_LDADD = libexplorer.a libbase.a
tests/explorer/planted_unreachable.c: orchestrator/core/recovery.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) recovery.c \
	  's/result == RESULT_DONE || result == RESULT_ENDED/& || result == RESULT_UNREACHABLE/'

# One move or restart more than the budget allows.
planted_budget_SOURCES = tests/explorer/explorer.c
nodist_planted_budget_SOURCES = tests/explorer/planted_budget.c
planted_budget_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"BUDGET"'
planted_budget_CFLAGS = $(EXPLORER_CFLAGS)
planted_budget_LDADD = libexplorer.a libbase.a
tests/explorer/planted_budget.c: orchestrator/core/budget.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) budget.c 's/window_ms) < max)/window_ms) <= max)/'

# The outcome of an older order of the same address is believed.
planted_older_SOURCES = tests/explorer/explorer.c
nodist_planted_older_SOURCES = tests/explorer/planted_older.c
planted_older_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"NO-RESURRECTION"'
planted_older_CFLAGS = $(EXPLORER_CFLAGS)
planted_older_LDADD = libexplorer.a libbase.a
tests/explorer/planted_older.c: orchestrator/core/recovery.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) recovery.c 's/core_vip(core, v)->order == f->outcome.order &&//'

# What follows from a step is left for the next fact.
planted_settle_SOURCES = tests/explorer/explorer.c
nodist_planted_settle_SOURCES = tests/explorer/planted_settle.c
planted_settle_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"RESUME"'
planted_settle_CFLAGS = $(EXPLORER_CFLAGS)
planted_settle_LDADD = libexplorer.a libbase.a
tests/explorer/planted_settle.c: orchestrator/core/recovery.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) recovery.c 's/for (int n = 0; settle_once(core, service, effects); n++)/int n = 0; settle_once(core, service, effects);/'

# A node goes out of reach, and nobody thinks of its services.
planted_stale_SOURCES = tests/explorer/explorer.c
nodist_planted_stale_SOURCES = tests/explorer/planted_stale.c
planted_stale_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"LIVENESS"'
planted_stale_CFLAGS = $(EXPLORER_CFLAGS)
planted_stale_LDADD = libexplorer.a libbase.a
tests/explorer/planted_stale.c: orchestrator/core/board.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) board.c 's/stale_node(core, i);/(void)0;/'

# A service is moved because nobody knows how it is.
planted_unknown_SOURCES = tests/explorer/explorer.c
nodist_planted_unknown_SOURCES = tests/explorer/planted_unknown.c
planted_unknown_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"QUORUM-ACTS"'
planted_unknown_CFLAGS = $(EXPLORER_CFLAGS)
planted_unknown_LDADD = libexplorer.a libbase.a
tests/explorer/planted_unknown.c: orchestrator/core/decide.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) decide.c 's/if (active->state == STATE_UNKNOWN)/if (false)/' \
	  's/if (active->state != STATE_CRITICAL)/if (active->state == STATE_OK)/'

# What observers say is kept, and nothing follows from it.
planted_unheard_SOURCES = tests/explorer/explorer.c
nodist_planted_unheard_SOURCES = tests/explorer/planted_unheard.c
planted_unheard_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"RESUME"'
planted_unheard_CFLAGS = $(EXPLORER_CFLAGS)
planted_unheard_LDADD = libexplorer.a libbase.a
tests/explorer/planted_unheard.c: orchestrator/core/headcount.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) headcount.c 's/verdict_on_opinion(core, .*/(void)0;/'

# A verdict is another one when it is worked out again.
planted_again_SOURCES = tests/explorer/explorer.c
nodist_planted_again_SOURCES = tests/explorer/planted_again.c
planted_again_CPPFLAGS = $(EXPLORER_CPPFLAGS) -DEXPLORER_EXPECTS='"RESUME"'
planted_again_CFLAGS = $(EXPLORER_CFLAGS)
planted_again_LDADD = libexplorer.a libbase.a
tests/explorer/planted_again.c: orchestrator/core/verdict.c tests/explorer/plant.sh
	$(AM_V_GEN)$(plant) verdict.c 's/core->rules >= RULES_SETTLE/core->rules > core_rules_max/'

CLEANFILES += tests/explorer/planted_*.c
