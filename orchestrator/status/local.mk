# Floor 4: the status process.
noinst_LIBRARIES += libstatus.a
libstatus_a_SOURCES = \
	orchestrator/status/actions.c orchestrator/status/actions.h \
	orchestrator/status/answers.c orchestrator/status/answers.h \
	orchestrator/status/api.c orchestrator/status/api.h \
	orchestrator/status/api_cluster.c \
	orchestrator/status/api_config.c \
	orchestrator/status/consistent.c orchestrator/status/consistent.h \
	orchestrator/status/counts.c orchestrator/status/counts.h \
	orchestrator/status/feed.c orchestrator/status/feed.h \
	orchestrator/status/html.c orchestrator/status/html.h \
	orchestrator/status/lines.c orchestrator/status/lines.h \
	orchestrator/status/metrics.c orchestrator/status/metrics.h \
	orchestrator/status/metrics_core.c \
	orchestrator/status/metrics_samples.h \
	orchestrator/status/metrics_self.c \
	orchestrator/status/observed.c orchestrator/status/observed.h \
	orchestrator/status/observer_links.c orchestrator/status/observer_links.h \
	orchestrator/status/page.c orchestrator/status/page.h \
	orchestrator/status/page_matrix.c \
	orchestrator/status/page_pieces.c orchestrator/status/page_pieces.h \
	orchestrator/status/requests.c orchestrator/status/requests.h \
	orchestrator/status/routes.c orchestrator/status/routes.h \
	orchestrator/status/simulate.c orchestrator/status/simulate.h \
	orchestrator/status/sse.c orchestrator/status/sse.h \
	orchestrator/status/status.c orchestrator/status/status.h \
	orchestrator/status/view.c orchestrator/status/view.h
nodist_libstatus_a_SOURCES = orchestrator/status/assets.h
libstatus_a_CPPFLAGS = $(AM_CPPFLAGS) -DEPHOR_VERSION='"$(PACKAGE_VERSION)"'
libstatus_a_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS) $(XXHASH_CFLAGS)

# Style and script, as strings in the program.
STATUS_ASSETS = orchestrator/status/page.css orchestrator/status/page.js
BUILT_SOURCES += orchestrator/status/assets.h
CLEANFILES += orchestrator/status/assets.h
EXTRA_DIST += $(STATUS_ASSETS)
orchestrator/status/assets.h: $(STATUS_ASSETS)
	$(AM_V_GEN)$(MKDIR_P) orchestrator/status && { \
	  echo '/* Made from page.css and page.js. */'; \
	  for kind in css js; do \
	    echo "static const char asset_$$kind[] ="; \
	    sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/    "&\\n"/' \
	      $(top_srcdir)/orchestrator/status/page.$$kind; \
	    echo '    ;'; \
	  done; } > $@.tmp && mv $@.tmp $@

# The status process on a stage: see tests/ctl/stage.h.
STATUS_LIBS = libstatus.a libsys.a libproto.a libcore.a libbase.a $(MHD_LIBS) $(CURL_LIBS) \
	$(UV_LIBS) $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) $(XXHASH_LIBS)
STAGE_SOURCES = tests/ctl/stage.c tests/ctl/stage.h tests/ctl/stage_cluster.c \
	tests/ctl/stage_commands.c tests/ctl/stage_parts.h tests/ctl/stage_policy.c
check_PROGRAMS += stage
stage_SOURCES = tests/ctl/stage_program.c $(STAGE_SOURCES)
stage_LDADD = $(STATUS_LIBS) -lm

check_PROGRAMS += test_http_server
TESTS += test_http_server
test_http_server_SOURCES = tests/unit/test_http_server.c tests/unit/checks_fixture.h
test_http_server_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_http_server_LDADD = libsys.a libbase.a $(MHD_LIBS) $(UV_LIBS) $(CHECK_LIBS)

check_PROGRAMS += test_view test_metrics test_observer_links
TESTS += test_view test_metrics test_observer_links
STATUS_FIXTURES = tests/unit/feed_fixture.h tests/ctl/stage.h tests/ctl/stage_policy.c
test_view_SOURCES = tests/unit/test_view.c $(STATUS_FIXTURES)
test_view_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_view_LDADD = $(STATUS_LIBS) $(CHECK_LIBS) -lm
test_observer_links_SOURCES = tests/unit/test_observer_links.c $(STATUS_FIXTURES)
test_observer_links_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
test_observer_links_LDADD = $(STATUS_LIBS) $(CHECK_LIBS) -lm
test_metrics_SOURCES = tests/unit/test_metrics.c $(STATUS_FIXTURES)
test_metrics_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_metrics_LDADD = $(STATUS_LIBS) $(CHECK_LIBS) -lm

check_PROGRAMS += test_status
TESTS += test_status
CLEANFILES += test_status.*.sock
test_status_SOURCES = tests/unit/test_status.c $(STAGE_SOURCES)
test_status_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_status_LDADD = $(STATUS_LIBS) $(CHECK_LIBS) -lm
