# Floor 1: consensus. Pure: no I/O, no clock, no allocation; it knows nothing of the product.
noinst_LIBRARIES += libraft.a
libraft_a_SOURCES = \
	orchestrator/raft/election.c orchestrator/raft/election.h \
	orchestrator/raft/install.c orchestrator/raft/install.h \
	orchestrator/raft/membership.c orchestrator/raft/membership.h \
	orchestrator/raft/progress.c orchestrator/raft/progress.h \
	orchestrator/raft/raft.c orchestrator/raft/raft.h \
	orchestrator/raft/replication.c orchestrator/raft/replication.h \
	orchestrator/raft/server.h \
	orchestrator/raft/trail.c orchestrator/raft/trail.h \
	orchestrator/raft/transfer.c orchestrator/raft/transfer.h \
	orchestrator/raft/update.c orchestrator/raft/update.h
