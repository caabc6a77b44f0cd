# Floor 2: the messages.
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES = \
	orchestrator/proto/fact_message.c orchestrator/proto/fact_message.h \
	orchestrator/proto/history.c orchestrator/proto/history.h \
	orchestrator/proto/registry.c orchestrator/proto/registry.h \
	orchestrator/proto/raft_message.c orchestrator/proto/raft_message.h \
	orchestrator/proto/policy_digest.c \
	orchestrator/proto/policy_diff.c orchestrator/proto/policy_diff.h \
	orchestrator/proto/policy_settings.c orchestrator/proto/policy_settings.h \
	orchestrator/proto/policy_message.c orchestrator/proto/policy_message.h \
	orchestrator/proto/machine.c orchestrator/proto/machine.h
nodist_libproto_a_SOURCES = \
	orchestrator/proto/ephor.pb-c.c orchestrator/proto/ephor.pb-c.h
libproto_a_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) -Wno-conversion
BUILT_SOURCES += orchestrator/proto/ephor.pb-c.h
CLEANFILES += orchestrator/proto/ephor.pb-c.c orchestrator/proto/ephor.pb-c.h
EXTRA_DIST += orchestrator/proto/ephor.proto

orchestrator/proto/ephor.pb-c.c: $(top_srcdir)/orchestrator/proto/ephor.proto
	$(AM_V_GEN)$(MKDIR_P) orchestrator/proto && \
	$(PROTOC_C) --proto_path=$(top_srcdir)/orchestrator/proto --c_out=orchestrator/proto \
	  $(top_srcdir)/orchestrator/proto/ephor.proto
orchestrator/proto/ephor.pb-c.h: orchestrator/proto/ephor.pb-c.c
	@test -f $@ || { rm -f orchestrator/proto/ephor.pb-c.c; $(MAKE) orchestrator/proto/ephor.pb-c.c; }
