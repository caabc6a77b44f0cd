# Floor 0: words every file uses.
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	orchestrator/base/buf.c orchestrator/base/buf.h \
	orchestrator/base/contract.c orchestrator/base/contract.h \
	orchestrator/base/err.c orchestrator/base/err.h \
	orchestrator/base/jsonw.c orchestrator/base/jsonw.h \
	orchestrator/base/log.c orchestrator/base/log.h \
	orchestrator/base/text.c orchestrator/base/text.h
