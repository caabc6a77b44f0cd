# Floor 3: checks behind one interface, and the plugins that ship with Ephor.
noinst_LIBRARIES += libchecks.a
libchecks_a_SOURCES = \
	checks/cause.c checks/cause.h \
	checks/check_ops.c checks/check_ops.h \
	checks/http.c \
	checks/perfdata.c checks/perfdata.h \
	checks/plugin.c \
	checks/plugin_output.c checks/plugin_output.h \
	checks/tcp.c
libchecks_a_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)

pluginsdir = $(prefix)/lib/ephor/plugins
plugins_PROGRAMS = checks/plugins/check_open_files
plugins_SCRIPTS = checks/plugins/check_pidfile.sh
EXTRA_DIST += $(plugins_SCRIPTS)
checks_plugins_check_open_files_SOURCES = \
	checks/plugins/check_open_files.c checks/plugins/range.c checks/plugins/range.h

# What the tests of checks have in common: the libraries, and plugins that misbehave.
CHECKS_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS) \
	-DTEST_PLUGINS='"$(abs_top_srcdir)/tests/plugins"' \
	-DTEST_SHIPPED='"$(abs_top_builddir)/checks/plugins"' \
	-DTEST_SHIPPED_SCRIPTS='"$(abs_top_srcdir)/checks/plugins"'
CHECKS_TEST_LIBS = libchecks.a libsys.a libproto.a libcore.a libbase.a \
	$(CURL_LIBS) $(UV_LIBS) $(SSH2_LIBS) $(SSL_LIBS) $(CAPNG_LIBS) $(PROTOBUF_C_LIBS) \
	$(XXHASH_LIBS) $(CHECK_LIBS) -lm
CHECKS_TEST_FIXTURES = tests/unit/checks_fixture.h tests/unit/observe_fixture.h

check_PROGRAMS += test_plugin_output test_perfdata test_plugin test_tcp test_http test_shipped
TESTS += test_plugin_output test_perfdata test_plugin test_tcp test_http test_shipped

test_plugin_output_SOURCES = tests/unit/test_plugin_output.c
test_plugin_output_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_plugin_output_LDADD = libchecks.a libbase.a $(CHECK_LIBS)

test_perfdata_SOURCES = tests/unit/test_perfdata.c
test_perfdata_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_perfdata_LDADD = libchecks.a libbase.a $(CHECK_LIBS) -lm

test_plugin_SOURCES = tests/unit/test_plugin.c $(CHECKS_TEST_FIXTURES)
test_plugin_CPPFLAGS = $(CHECKS_TEST_CPPFLAGS)
test_plugin_LDADD = $(CHECKS_TEST_LIBS)

test_tcp_SOURCES = tests/unit/test_tcp.c $(CHECKS_TEST_FIXTURES)
test_tcp_CPPFLAGS = $(CHECKS_TEST_CPPFLAGS)
test_tcp_LDADD = $(CHECKS_TEST_LIBS)

test_http_SOURCES = tests/unit/test_http.c $(CHECKS_TEST_FIXTURES)
test_http_CPPFLAGS = $(CHECKS_TEST_CPPFLAGS)
test_http_LDADD = $(CHECKS_TEST_LIBS)

test_shipped_SOURCES = tests/unit/test_shipped.c checks/plugins/range.c $(CHECKS_TEST_FIXTURES)
test_shipped_CPPFLAGS = $(CHECKS_TEST_CPPFLAGS)
test_shipped_LDADD = $(CHECKS_TEST_LIBS)

EXTRA_DIST += \
	tests/plugins/binary.sh tests/plugins/by_signal.sh tests/plugins/children.sh \
	tests/plugins/environment.sh tests/plugins/exit_with.sh tests/plugins/flood.sh \
	tests/plugins/flood_forever.sh tests/plugins/grandchild.sh \
	tests/plugins/grandchild_setsid.sh tests/plugins/hang.sh tests/plugins/ignore_term.sh \
	tests/plugins/no_format.txt tests/plugins/no_interpreter.txt \
	tests/plugins/not_executable.sh tests/plugins/only_stderr.sh

