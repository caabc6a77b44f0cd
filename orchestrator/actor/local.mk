# Floor 4: the actor process.
noinst_LIBRARIES += libactor.a
libactor_a_SOURCES = \
	orchestrator/actor/actor.c orchestrator/actor/actor.h \
	orchestrator/actor/commands.c \
	orchestrator/actor/holds.c \
	orchestrator/actor/node.c \
	orchestrator/actor/outbox.c

check_PROGRAMS += test_actor
TESTS += test_actor
test_actor_SOURCES = tests/unit/test_actor.c
test_actor_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS)
test_actor_LDADD = libactor.a libactions.a libsys.a libproto.a libcore.a libbase.a \
	$(UV_LIBS) $(SSH2_LIBS) $(SSL_LIBS) $(PROTOBUF_C_LIBS) $(CAPNG_LIBS) $(CHECK_LIBS) -lm -lpthread
