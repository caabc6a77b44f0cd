# Floor 4: the supervisor process.
# The configuration is a library of its own: ephorctl and tests read it without a supervisor.
noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = \
	orchestrator/supervisor/conf.c orchestrator/supervisor/conf.h \
	orchestrator/supervisor/conf_build.c orchestrator/supervisor/conf_build.h \
	orchestrator/supervisor/conf_build_local.c \
	orchestrator/supervisor/conf_check.c orchestrator/supervisor/conf_check.h \
	orchestrator/supervisor/conf_doc.c orchestrator/supervisor/conf_doc.h \
	orchestrator/supervisor/conf_dump.c \
	orchestrator/supervisor/conf_format.c orchestrator/supervisor/conf_format.h \
	orchestrator/supervisor/conf_issues.c orchestrator/supervisor/conf_issues.h \
	orchestrator/supervisor/conf_lex.c orchestrator/supervisor/conf_lex.h \
	orchestrator/supervisor/conf_load.c orchestrator/supervisor/conf_load.h \
	orchestrator/supervisor/conf_macro.c orchestrator/supervisor/conf_macro.h \
	orchestrator/supervisor/conf_parse.c orchestrator/supervisor/conf_parse.h \
	orchestrator/supervisor/conf_paths.c \
	orchestrator/supervisor/conf_rules.c orchestrator/supervisor/conf_rules.h \
	orchestrator/supervisor/conf_rules_check.c \
	orchestrator/supervisor/conf_schema.c orchestrator/supervisor/conf_schema.h \
	orchestrator/supervisor/conf_token.c orchestrator/supervisor/conf_token.h \
	orchestrator/supervisor/conf_value.c orchestrator/supervisor/conf_value.h
libconf_a_CFLAGS = $(AM_CFLAGS) $(CONFIG_CFLAGS) $(PROTOBUF_C_CFLAGS)

# Linked by whatever links libconf.a.
CONF_LIBS = libconf.a libproto.a libbase.a $(CONFIG_LIBS) $(PROTOBUF_C_LIBS)

EXTRA_DIST += tests/conf etc/samples

CONF_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(PROTOBUF_C_CFLAGS) \
	-DTEST_SRCDIR='"$(abs_top_srcdir)"'

check_PROGRAMS += test_conf test_conf_files test_conf_corpus test_conf_schema test_policy_diff
TESTS += test_conf test_conf_files test_conf_corpus test_conf_schema test_policy_diff
test_conf_SOURCES = tests/unit/test_conf.c tests/unit/conf_fixture.h
test_conf_CPPFLAGS = $(CONF_TEST_CPPFLAGS)
test_conf_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
test_conf_files_SOURCES = tests/unit/test_conf_files.c tests/unit/conf_fixture.h
test_conf_files_CPPFLAGS = $(CONF_TEST_CPPFLAGS)
test_conf_files_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
test_conf_corpus_SOURCES = tests/unit/test_conf_corpus.c tests/unit/conf_fixture.h
test_conf_corpus_CPPFLAGS = $(CONF_TEST_CPPFLAGS)
test_conf_corpus_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
test_conf_schema_SOURCES = tests/unit/test_conf_schema.c tests/unit/conf_fixture.h
test_conf_schema_CPPFLAGS = $(CONF_TEST_CPPFLAGS)
test_conf_schema_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
test_policy_diff_SOURCES = tests/unit/test_policy_diff.c tests/unit/conf_fixture.h \
	tests/unit/big_policy.h
test_policy_diff_CPPFLAGS = $(CONF_TEST_CPPFLAGS)
test_policy_diff_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
