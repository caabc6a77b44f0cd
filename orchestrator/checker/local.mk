# Floor 4: the checker process.
noinst_LIBRARIES += libchecker.a
libchecker_a_SOURCES = \
	orchestrator/checker/canaries.c orchestrator/checker/canaries.h \
	orchestrator/checker/checker.c orchestrator/checker/checker.h \
	orchestrator/checker/job.h \
	orchestrator/checker/job_results.c \
	orchestrator/checker/job_verdicts.c \
	orchestrator/checker/jobs.c orchestrator/checker/jobs.h \
	orchestrator/checker/jobs_adopt.c \
	orchestrator/checker/reporter.c orchestrator/checker/reporter.h \
	orchestrator/checker/schedule.c orchestrator/checker/schedule.h
libchecker_a_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(XXHASH_CFLAGS)

check_PROGRAMS += test_schedule test_opinion test_exec test_results test_checker
TESTS += test_schedule test_opinion test_exec test_results test_checker

test_schedule_SOURCES = tests/unit/test_schedule.c
test_schedule_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_schedule_LDADD = libchecker.a libbase.a $(XXHASH_LIBS) $(CHECK_LIBS)

test_opinion_SOURCES = tests/unit/test_opinion.c
test_opinion_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_opinion_LDADD = libcore.a libbase.a $(CHECK_LIBS)

test_exec_SOURCES = tests/unit/test_exec.c tests/unit/checks_fixture.h
test_exec_CPPFLAGS = $(CHECKS_TEST_CPPFLAGS)
test_exec_LDADD = libsys.a libbase.a $(UV_LIBS) $(CHECK_LIBS)

test_results_SOURCES = tests/unit/test_results.c
test_results_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_results_LDADD = libsys.a libbase.a $(CHECK_LIBS)

test_checker_SOURCES = tests/unit/test_checker.c tests/unit/checker_fixture.h \
	tests/unit/checks_fixture.h
test_checker_CPPFLAGS = $(CHECKS_TEST_CPPFLAGS)
test_checker_LDADD = libchecker.a $(CHECKS_TEST_LIBS)
