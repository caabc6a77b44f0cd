# Floor 5: the command line. It talks to the API and to nothing else.
bin_PROGRAMS += ephorctl
ephorctl_SOURCES = \
	orchestrator/ctl/ask_cluster.c \
	orchestrator/ctl/ask_maintenance.c \
	orchestrator/ctl/ask_move.c \
	orchestrator/ctl/ask_pause.c \
	orchestrator/ctl/call.c \
	orchestrator/ctl/check_config.c \
	orchestrator/ctl/cluster.c \
	orchestrator/ctl/cluster_renew.c \
	orchestrator/ctl/cluster_store.c \
	orchestrator/ctl/config.c \
	orchestrator/ctl/config_diff.c \
	orchestrator/ctl/ctl.h \
	orchestrator/ctl/ephorctl.c \
	orchestrator/ctl/lines.c \
	orchestrator/ctl/output.c \
	orchestrator/ctl/report.c \
	orchestrator/ctl/show_cluster.c \
	orchestrator/ctl/show_journal.c \
	orchestrator/ctl/show_observers.c \
	orchestrator/ctl/show_status.c \
	orchestrator/ctl/show_why.c \
	orchestrator/ctl/show_why_at.c \
	orchestrator/ctl/simulate.c
ephorctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS) $(PROTOBUF_C_CFLAGS)
ephorctl_LDADD = libconf.a libconsensus.a libraft.a libsys.a libproto.a libcore.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) \
	$(SMARTCOLS_LIBS) $(CONFIG_LIBS) $(PROTOBUF_C_LIBS) $(XXHASH_LIBS) $(SQLITE_LIBS) \
	$(SSL_LIBS) $(UV_LIBS) -lm

EXTRA_DIST += tests/ctl/test_ctl.sh
TESTS += tests/ctl/test_ctl.sh
# bash-completion loads COMMAND.bash for COMMAND.
completionsdir = $(datadir)/bash-completion/completions
dist_completions_DATA = etc/ephorctl.bash
