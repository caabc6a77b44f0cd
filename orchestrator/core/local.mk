# Floor 1: the brain. Pure: no I/O, no clock, no allocation in a step.
noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	orchestrator/core/adopt.c \
	orchestrator/core/board.c orchestrator/core/board.h \
	orchestrator/core/budget.c orchestrator/core/budget.h \
	orchestrator/core/core.c orchestrator/core/core.h \
	orchestrator/core/decide.c orchestrator/core/decide.h \
	orchestrator/core/doubt.c orchestrator/core/doubt.h \
	orchestrator/core/diagnose.c orchestrator/core/diagnose.h \
	orchestrator/core/diagnose_text.c orchestrator/core/diagnose_text.h \
	orchestrator/core/explain.c \
	orchestrator/core/fact.h \
	orchestrator/core/forecast.c orchestrator/core/forecast.h \
	orchestrator/core/headcount.c orchestrator/core/headcount.h \
	orchestrator/core/journal.c orchestrator/core/journal.h \
	orchestrator/core/lease.c orchestrator/core/lease.h \
	orchestrator/core/limits.h \
	orchestrator/core/names.c orchestrator/core/names.h \
	orchestrator/core/opinion.c orchestrator/core/opinion.h \
	orchestrator/core/orders.c \
	orchestrator/core/recovery.c orchestrator/core/recovery.h \
	orchestrator/core/restart.c orchestrator/core/restart.h \
	orchestrator/core/rules.c \
	orchestrator/core/snapshot.c orchestrator/core/snapshot.h \
	orchestrator/core/stale.c orchestrator/core/stale.h \
	orchestrator/core/step.c \
	orchestrator/core/survey.c orchestrator/core/survey.h \
	orchestrator/core/vantage.c \
	orchestrator/core/verdict.c orchestrator/core/verdict.h \
	orchestrator/core/vips.c orchestrator/core/vips.h \
	orchestrator/core/words.c orchestrator/core/words.h
