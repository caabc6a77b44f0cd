# Floor 4: the quorum process.
noinst_LIBRARIES += libquorum.a
libquorum_a_SOURCES = \
	orchestrator/quorum/peers.c \
	orchestrator/quorum/quorum.c orchestrator/quorum/quorum.h
