# Floor 4: the quorum process.
noinst_LIBRARIES += libquorum.a
libquorum_a_SOURCES = \
	orchestrator/quorum/calm.c orchestrator/quorum/calm.h \
	orchestrator/quorum/certificate.c orchestrator/quorum/certificate.h \
	orchestrator/quorum/cluster.c orchestrator/quorum/cluster.h \
	orchestrator/quorum/cluster_feed.c orchestrator/quorum/cluster_links.c \
	orchestrator/quorum/cluster_parts.h \
	orchestrator/quorum/mesh.c orchestrator/quorum/mesh.h \
	orchestrator/quorum/mesh_accept.c orchestrator/quorum/mesh_connect.c \
	orchestrator/quorum/mesh_parts.h \
	orchestrator/quorum/census.c orchestrator/quorum/census.h \
	orchestrator/quorum/contacts.c orchestrator/quorum/contacts.h \
	orchestrator/quorum/freeze.c orchestrator/quorum/freeze.h \
	orchestrator/quorum/looks.c orchestrator/quorum/looks.h \
	orchestrator/quorum/observer.c orchestrator/quorum/observer.h \
	orchestrator/quorum/observer_parts.h orchestrator/quorum/observer_peers.c \
	orchestrator/quorum/observers.c orchestrator/quorum/observers.h \
	orchestrator/quorum/offers.c orchestrator/quorum/offers.h \
	orchestrator/quorum/peers.c \
	orchestrator/quorum/presence.c orchestrator/quorum/presence.h \
	orchestrator/quorum/proposals.c orchestrator/quorum/proposals.h \
	orchestrator/quorum/readers.c orchestrator/quorum/readers.h \
	orchestrator/quorum/role.c \
	orchestrator/quorum/registry_work.c orchestrator/quorum/registry_work.h \
	orchestrator/quorum/sight.c orchestrator/quorum/sight.h \
	orchestrator/quorum/quorum.c orchestrator/quorum/quorum.h
libquorum_a_CPPFLAGS = $(AM_CPPFLAGS) -DEPHOR_VERSION='"$(PACKAGE_VERSION)"'

check_PROGRAMS += test_readers
TESTS += test_readers
# All that readers.c calls is played by the test.
test_readers_SOURCES = tests/unit/test_readers.c orchestrator/quorum/readers.c
test_readers_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_readers_LDADD = libproto.a libbase.a $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

QUORUM_LINK_LIBS = libquorum.a libsys.a libproto.a libcore.a libbase.a $(UV_LIBS) $(SSL_LIBS) \
	$(PROTOBUF_C_LIBS) $(CHECK_LIBS) -lm
check_PROGRAMS += test_mesh test_certificate
TESTS += test_mesh test_certificate
test_mesh_SOURCES = tests/unit/test_mesh.c
test_mesh_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_mesh_LDADD = $(QUORUM_LINK_LIBS)
test_certificate_SOURCES = tests/unit/test_certificate.c
test_certificate_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_certificate_LDADD = $(QUORUM_LINK_LIBS)

# The log, the links and the members are played by the test; the machine is real.
check_PROGRAMS += test_offers
TESTS += test_offers
test_offers_SOURCES = tests/unit/test_offers.c tests/unit/big_policy.h orchestrator/quorum/offers.c
test_offers_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_offers_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_offers_LDADD = libproto.a libcore.a libbase.a $(PROTOBUF_C_LIBS) $(XXHASH_LIBS) $(CHECK_LIBS)

check_PROGRAMS += test_census test_looks
TESTS += test_census test_looks
test_census_SOURCES = tests/unit/test_census.c orchestrator/quorum/census.c
test_census_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_census_LDADD = $(CHECK_LIBS)
test_looks_SOURCES = tests/unit/test_looks.c orchestrator/quorum/looks.c
test_looks_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_looks_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_looks_LDADD = libproto.a libcore.a libbase.a $(PROTOBUF_C_LIBS) $(XXHASH_LIBS) $(CHECK_LIBS)
check_PROGRAMS += test_registry_work
TESTS += test_registry_work
test_registry_work_SOURCES = tests/unit/test_registry_work.c tests/unit/big_policy.h \
	orchestrator/quorum/registry_work.c orchestrator/consensus/roster.c
test_registry_work_CPPFLAGS = $(test_offers_CPPFLAGS)
test_registry_work_CFLAGS = $(test_offers_CFLAGS)
test_registry_work_LDADD = $(test_offers_LDADD)

check_PROGRAMS += test_contacts
TESTS += test_contacts
test_contacts_SOURCES = tests/unit/test_contacts.c orchestrator/quorum/contacts.c
test_contacts_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_contacts_LDADD = libproto.a libbase.a $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

# Links, timers and the log are played by these; the machine is real.
check_PROGRAMS += test_observers
TESTS += test_observers
test_observers_SOURCES = tests/unit/test_observers.c tests/unit/big_policy.h \
	orchestrator/quorum/census.c orchestrator/quorum/observers.c
test_observers_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_observers_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_observers_LDADD = libproto.a libcore.a libbase.a $(PROTOBUF_C_LIBS) $(XXHASH_LIBS) $(CHECK_LIBS)
check_PROGRAMS += test_observer
TESTS += test_observer
test_observer_SOURCES = tests/unit/test_observer.c tests/unit/big_policy.h \
	orchestrator/consensus/roster.c orchestrator/quorum/calm.c orchestrator/quorum/looks.c \
	orchestrator/quorum/observer.c orchestrator/quorum/sight.c
test_observer_CPPFLAGS = $(test_observers_CPPFLAGS) -DEPHOR_VERSION='"$(PACKAGE_VERSION)"'
test_observer_CFLAGS = $(test_observers_CFLAGS)
test_observer_LDADD = $(test_observers_LDADD)
check_PROGRAMS += test_calm
TESTS += test_calm
test_calm_SOURCES = tests/unit/test_calm.c orchestrator/quorum/calm.c
test_calm_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_calm_LDADD = libbase.a $(CHECK_LIBS)

check_PROGRAMS += test_freeze
TESTS += test_freeze
test_freeze_SOURCES = tests/unit/test_freeze.c orchestrator/quorum/freeze.c
test_freeze_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_freeze_LDADD = libsys.a libproto.a libbase.a $(UV_LIBS) $(PROTOBUF_C_LIBS) $(CHECK_LIBS)
