# Unit tests of the base, the core and the machine over the log.
EXTRA_DIST += tests/unit/big_policy.h tests/unit/core_fixture.h tests/unit/core_walk.h
UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
UNIT_CORE_LIBS = libcore.a libbase.a $(CHECK_LIBS)
UNIT_CORE_TESTS = test_core_adopt test_core_board test_core_census test_core_diagnose test_core_rules test_vips test_forecast \
	test_core_step test_core_verdict \
	test_doubt test_snapshot

check_PROGRAMS += $(UNIT_CORE_TESTS)
TESTS += $(UNIT_CORE_TESTS)

test_core_adopt_SOURCES = tests/unit/test_core_adopt.c
test_core_adopt_CPPFLAGS = $(UNIT_CPPFLAGS)
test_core_adopt_LDADD = $(UNIT_CORE_LIBS)

test_core_rules_SOURCES = tests/unit/test_core_rules.c
test_core_rules_CPPFLAGS = $(UNIT_CPPFLAGS)
test_core_rules_LDADD = $(UNIT_CORE_LIBS)

test_core_step_SOURCES = tests/unit/test_core_step.c
test_core_step_CPPFLAGS = $(UNIT_CPPFLAGS)
test_core_step_LDADD = $(UNIT_CORE_LIBS)

test_doubt_SOURCES = tests/unit/test_doubt.c
test_doubt_CPPFLAGS = $(UNIT_CPPFLAGS)
test_doubt_LDADD = $(UNIT_CORE_LIBS)

test_core_board_SOURCES = tests/unit/test_core_board.c
test_core_board_CPPFLAGS = $(UNIT_CPPFLAGS)
test_core_board_LDADD = $(UNIT_CORE_LIBS)

test_forecast_SOURCES = tests/unit/test_forecast.c
test_forecast_CPPFLAGS = $(UNIT_CPPFLAGS)
test_forecast_LDADD = $(UNIT_CORE_LIBS)

test_vips_SOURCES = tests/unit/test_vips.c
test_vips_CPPFLAGS = $(UNIT_CPPFLAGS)
test_vips_LDADD = $(UNIT_CORE_LIBS)

test_core_census_SOURCES = tests/unit/test_core_census.c
test_core_census_CPPFLAGS = $(UNIT_CPPFLAGS)
test_core_census_LDADD = $(UNIT_CORE_LIBS)

test_core_diagnose_SOURCES = tests/unit/test_core_diagnose.c
test_core_diagnose_CPPFLAGS = $(UNIT_CPPFLAGS)
test_core_diagnose_LDADD = $(UNIT_CORE_LIBS)
test_core_verdict_SOURCES = tests/unit/test_core_verdict.c
test_core_verdict_CPPFLAGS = $(UNIT_CPPFLAGS)
test_core_verdict_LDADD = $(UNIT_CORE_LIBS)

test_snapshot_SOURCES = tests/unit/test_snapshot.c
test_snapshot_CPPFLAGS = $(UNIT_CPPFLAGS)
test_snapshot_LDADD = $(UNIT_CORE_LIBS)

check_PROGRAMS += test_machine test_text test_buf_json
TESTS += test_machine test_text test_buf_json

test_machine_SOURCES = tests/unit/test_machine.c
test_machine_CPPFLAGS = $(UNIT_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
# Messages hold char *, and a test fills them with literals.
test_machine_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_machine_LDADD = libproto.a $(UNIT_CORE_LIBS) $(PROTOBUF_C_LIBS)

check_PROGRAMS += test_machine_scale test_history test_registry
TESTS += test_machine_scale test_history test_registry
test_history_SOURCES = tests/unit/test_history.c tests/unit/big_policy.h
test_history_CPPFLAGS = $(UNIT_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
test_history_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_history_LDADD = libproto.a $(UNIT_CORE_LIBS) $(PROTOBUF_C_LIBS)
test_registry_SOURCES = tests/unit/test_registry.c tests/unit/big_policy.h
test_registry_CPPFLAGS = $(UNIT_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
test_registry_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_registry_LDADD = libproto.a $(UNIT_CORE_LIBS) $(PROTOBUF_C_LIBS)
test_machine_scale_SOURCES = tests/unit/test_machine_scale.c tests/unit/big_policy.h
test_machine_scale_CPPFLAGS = $(UNIT_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
test_machine_scale_CFLAGS = $(AM_CFLAGS) -Wno-write-strings
test_machine_scale_LDADD = libproto.a $(UNIT_CORE_LIBS) $(PROTOBUF_C_LIBS)

test_text_SOURCES = tests/unit/test_text.c
test_text_CPPFLAGS = $(UNIT_CPPFLAGS)
test_text_LDADD = libbase.a $(CHECK_LIBS)

test_buf_json_SOURCES = tests/unit/test_buf_json.c
test_buf_json_CPPFLAGS = $(UNIT_CPPFLAGS)
test_buf_json_LDADD = libbase.a $(CHECK_LIBS) -lm
