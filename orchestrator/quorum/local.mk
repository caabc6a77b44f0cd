# Floor 4: the quorum process.
noinst_LIBRARIES += libquorum.a
libquorum_a_SOURCES = \
	orchestrator/quorum/cluster.c orchestrator/quorum/cluster.h \
	orchestrator/quorum/cluster_feed.c \
	orchestrator/quorum/mesh.c orchestrator/quorum/mesh.h \
	orchestrator/quorum/peers.c \
	orchestrator/quorum/proposals.c orchestrator/quorum/proposals.h \
	orchestrator/quorum/quorum.c orchestrator/quorum/quorum.h
libquorum_a_CPPFLAGS = $(AM_CPPFLAGS) -DEPHOR_VERSION='"$(PACKAGE_VERSION)"'
