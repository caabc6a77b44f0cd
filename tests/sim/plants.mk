# Does the simulator with everything in the loop find mistakes? Each of these has one planted, in a
# copy of a file of the product or in the rules of the nodes, and succeeds if one of the invariants
# that SIM_EXPECTS names is found broken within SIM_WITHIN seeds.
WHOLE_PLANTED = \
	whole_planted_wait whole_planted_margin whole_planted_new_leader whole_planted_remembers whole_planted_fresh \
	whole_planted_granted whole_planted_dated whole_planted_absent whole_planted_one_voice \
	whole_planted_budget whole_planted_forgotten \
	whole_planted_restored whole_planted_journal whole_planted_epoch whole_planted_creates \
	whole_planted_until whole_planted_twice
if !SANITIZE # what is found as shipped is found
check_PROGRAMS += $(WHOLE_PLANTED)
TESTS += $(WHOLE_PLANTED)
endif
whole_plant = $(MKDIR_P) tests/sim && sh $(srcdir)/tests/explorer/plant.sh

# A lease ends when its last line is dated, and nobody waits it out.
whole_planted_wait_SOURCES = tests/raft/sim.c
nodist_whole_planted_wait_SOURCES = tests/sim/whole_planted_wait.c
whole_planted_wait_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"WAIT-OUT ONE-HOLDER"' -DSIM_WITHIN=1000
whole_planted_wait_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_wait_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_wait.c: orchestrator/core/lease.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/core $@ lease.c \
	  's/return lease_ms + .*/return 0 * lease_ms +/' \
	  's/           lease_margin_ms(lease_ms, is_guarded);/           0 * (rate_divisor + lease_margin_ms(lease_ms, is_guarded));/'

# What nft guards ends at its date exactly, as if telling the kernel took no time.
whole_planted_margin_SOURCES = tests/raft/sim.c
nodist_whole_planted_margin_SOURCES = tests/sim/whole_planted_margin.c
whole_planted_margin_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"WAIT-OUT ONE-HOLDER"' -DSIM_WITHIN=4000
whole_planted_margin_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_margin_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_margin.c: orchestrator/core/lease.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/core $@ lease.c \
	  's/return margin_guarded_ms;/return 0 * margin_guarded_ms - lease_ms \/ 100;/'

# A new leader waits for nothing that it did not send itself.
whole_planted_new_leader_SOURCES = tests/raft/sim.c
nodist_whole_planted_new_leader_SOURCES = tests/sim/whole_planted_new_leader.c
whole_planted_new_leader_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"WAIT-OUT ONE-HOLDER"' -DSIM_WITHIN=1000
whole_planted_new_leader_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_new_leader_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_new_leader.c: orchestrator/actor/holds.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/actor $@ holds.c \
	  's/actor->blind_until_ms + actor->fresh_ms + owed->wait_ms/actor->blind_until_ms + 0 * owed->wait_ms/'

# A new leader believes what it remembers of leases from an earlier term.
whole_planted_remembers_SOURCES = tests/raft/sim.c
nodist_whole_planted_remembers_SOURCES = tests/sim/whole_planted_remembers.c
whole_planted_remembers_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"WAIT-OUT ONE-HOLDER"' -DSIM_WITHIN=6000
whole_planted_remembers_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_remembers_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_remembers.c: orchestrator/actor/actor.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/actor $@ actor.c \
	  's/^    holds_close(actor);$$/    if (actor->grants == NULL) holds_close(actor);/'

# Lines are sent and commands begun without leadership that is sure.
whole_planted_fresh_SOURCES = tests/raft/sim.c
nodist_whole_planted_fresh_SOURCES = tests/sim/whole_planted_fresh.c
whole_planted_fresh_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"LEADER-FRESH"' -DSIM_WITHIN=1000
whole_planted_fresh_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_fresh_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_fresh.c: orchestrator/actor/actor.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/actor $@ actor.c \
	  's/now_mono_ms() < actor->fresh_until_ms;/(actor->fresh_until_ms > 0 || now_mono_ms() > 0);/'

# An order to hold an address goes out before its grant.
whole_planted_granted_SOURCES = tests/raft/sim.c
nodist_whole_planted_granted_SOURCES = tests/sim/whole_planted_granted.c
whole_planted_granted_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"GRANT-FIRST NO-RESURRECTION WAIT-OUT"' -DSIM_WITHIN=1000
whole_planted_granted_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_granted_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_granted.c: orchestrator/core/orders.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/core $@ orders.c \
	  's/^        case VIP_FREE:$$/        case VIP_FREE: if (vip->service == NONE || core_service(core, vip->service)->target == NONE || core_service(core, vip->service)->phase == PHASE_STEADY) continue; order.kind = ORDER_HOLD; order.acquire = true; order.node = core_member(core, core_service(core, vip->service)->target)->node; break;/'

# A line is dated from when it is sent, and not from when the node was heard.
whole_planted_dated_SOURCES = tests/raft/sim.c
nodist_whole_planted_dated_SOURCES = tests/sim/whole_planted_dated.c
whole_planted_dated_CPPFLAGS = $(WHOLE_CPPFLAGS) -DSIM_SERVERS=5 \
	-DSIM_EXPECTS='"WAIT-OUT ONE-HOLDER NO-RESURRECTION"' -DSIM_WITHIN=3000
whole_planted_dated_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_dated_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_dated.c: orchestrator/actor/holds.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/actor $@ holds.c \
	  's/lease_until_cs(node->uptime_cs, \(.*\)),$$/lease_until_cs(node->uptime_cs + (now_mono_ms() - node->heard_ms) \/ 10, \1),/'

# Opinions of controllers that nobody hears count.
whole_planted_absent_SOURCES = tests/raft/sim.c
nodist_whole_planted_absent_SOURCES = tests/sim/whole_planted_absent.c
whole_planted_absent_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"QUORUM-ACTS"' -DSIM_WITHIN=1000
whole_planted_absent_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_absent_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_absent.c: orchestrator/core/board.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/core $@ board.c \
	  's/ \&\& c->presence == PRESENCE_THERE;/;/'

# One controller that says so is enough.
whole_planted_one_voice_SOURCES = tests/raft/sim.c
nodist_whole_planted_one_voice_SOURCES = tests/sim/whole_planted_one_voice.c
whole_planted_one_voice_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"QUORUM-ACTS"' -DSIM_WITHIN=1000
whole_planted_one_voice_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_one_voice_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_one_voice.c: orchestrator/core/verdict.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/core $@ verdict.c \
	  's/return needed < 2 \&\& count->seers >= 2 ? 2 : needed;/return needed > 0 ? 1 : needed;/'

# A new leader forgets what was spent.
whole_planted_budget_SOURCES = tests/raft/sim.c
nodist_whole_planted_budget_SOURCES = tests/sim/whole_planted_budget.c
whole_planted_budget_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"BUDGET"' -DSIM_WITHIN=1000
whole_planted_budget_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_budget_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_budget.c: orchestrator/core/board.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/core $@ board.c \
	  's/^        core->controllers\[i\].presence = PRESENCE_UNCONFIRMED;/&\n    for (int32_t i = 0; i < core_service_count(core); i++) core_service(core, i)->moves.count = 0;\n    for (int32_t i = 0; i < core_member_count(core); i++) core_member(core, i)->restarts.count = 0;/'

# What the log has forgotten of a controller is told again once, and then never more.
whole_planted_forgotten_SOURCES = tests/raft/sim.c
nodist_whole_planted_forgotten_SOURCES = tests/sim/whole_planted_forgotten.c
whole_planted_forgotten_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"LIVENESS"' -DSIM_WITHIN=1000
whole_planted_forgotten_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_forgotten_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_forgotten.c: orchestrator/quorum/presence.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/quorum $@ presence.c \
	  's/if (forgotten_index <= q->presence.told_index)/if (forgotten_index <= q->presence.told_index || q->presence.told_index > 0)/'

# What was granted is lost with a snapshot.
whole_planted_restored_SOURCES = tests/raft/sim.c
nodist_whole_planted_restored_SOURCES = tests/sim/whole_planted_restored.c
whole_planted_restored_CPPFLAGS = $(WHOLE_CPPFLAGS) -DSIM_SERVERS=5 \
	-DSIM_EXPECTS='"SAME"' -DSIM_WITHIN=6000
whole_planted_restored_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_restored_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_restored.c: orchestrator/core/snapshot.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/core $@ snapshot.c \
	  's/^    else if (v->mode == VISIT_READ && vip->holder != NONE)/    if (v->mode == VISIT_READ \&\& vip->holder != NONE)/'

# The journal leaves out addresses.
whole_planted_journal_SOURCES = tests/raft/sim.c
nodist_whole_planted_journal_SOURCES = tests/sim/whole_planted_journal.c
whole_planted_journal_CPPFLAGS = $(WHOLE_CPPFLAGS) \
	-DSIM_EXPECTS='"JOURNALED"' -DSIM_WITHIN=1000
whole_planted_journal_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_journal_LDADD = libwhole.a $(WHOLE_LIBS)
tests/sim/whole_planted_journal.c: orchestrator/quorum/quorum.c tests/explorer/plant.sh
	$(AM_V_GEN)$(whole_plant) $(srcdir)/orchestrator/quorum $@ quorum.c \
	  's/^        engine_journal(q->engine, \&row);/        if (line->event != EVENT_VIP) engine_journal(q->engine, \&row);/'

# The node does as anybody says.
whole_planted_epoch_SOURCES = tests/raft/sim.c tests/sim/whole_node.c
whole_planted_epoch_CPPFLAGS = $(WHOLE_CPPFLAGS) -DWHOLE_NODE_IGNORES_EPOCH=1 \
	-DSIM_EXPECTS='"NO-RESURRECTION"' -DSIM_WITHIN=3000
whole_planted_epoch_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_epoch_LDADD = libwhole.a $(WHOLE_LIBS)

# A line that extends creates.
whole_planted_creates_SOURCES = tests/raft/sim.c tests/sim/whole_node.c
whole_planted_creates_CPPFLAGS = $(WHOLE_CPPFLAGS) -DWHOLE_NODE_EXTEND_CREATES=1 \
	-DSIM_EXPECTS='"NO-RESURRECTION"' -DSIM_WITHIN=1000
whole_planted_creates_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_creates_LDADD = libwhole.a $(WHOLE_LIBS)

# The node does not look at the date of a line.
whole_planted_until_SOURCES = tests/raft/sim.c tests/sim/whole_node.c
whole_planted_until_CPPFLAGS = $(WHOLE_CPPFLAGS) -DSIM_SERVERS=1 -DWHOLE_NODE_IGNORES_UNTIL=1 \
	-DSIM_EXPECTS='"WAIT-OUT ONE-HOLDER NO-RESURRECTION"' -DSIM_WITHIN=1000
whole_planted_until_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_until_LDADD = libwhole.a $(WHOLE_LIBS)

# The node does what it is asked once more.
whole_planted_twice_SOURCES = tests/raft/sim.c tests/sim/whole_node.c
whole_planted_twice_CPPFLAGS = $(WHOLE_CPPFLAGS) -DWHOLE_NODE_FORGETS_ORDERS=1 \
	-DSIM_EXPECTS='"RESUME"' -DSIM_WITHIN=3000
whole_planted_twice_CFLAGS = $(WHOLE_CFLAGS)
whole_planted_twice_LDADD = libwhole.a $(WHOLE_LIBS)

CLEANFILES += tests/sim/whole_planted_*.c
