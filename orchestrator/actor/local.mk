# Floor 4: the actor process.
noinst_LIBRARIES += libactor.a
libactor_a_SOURCES = \
	orchestrator/actor/actor.c orchestrator/actor/actor.h \
	orchestrator/actor/commands.c \
	orchestrator/actor/holds.c \
	orchestrator/actor/node.c \
	orchestrator/actor/outbox.c
