# Floor 4: the supervisor; its configuration is a library of its own (supervisor/local.mk).
noinst_LIBRARIES += libsupervisor.a
libsupervisor_a_SOURCES = \
	orchestrator/supervisor/children.c \
	orchestrator/supervisor/listeners.c \
	orchestrator/supervisor/offer.c \
	orchestrator/supervisor/supervisor.c orchestrator/supervisor/supervisor.h

# Floor 5: ephord itself.
sbin_PROGRAMS += ephord
ephord_SOURCES = orchestrator/ephord.c
ephord_LDADD = libsupervisor.a libconf.a libchecker.a libquorum.a libactor.a libstatus.a \
	libconsensus.a libactions.a libchecks.a libsys.a libproto.a libraft.a libcore.a libbase.a \
	$(UV_LIBS) $(CURL_LIBS) $(SSH2_LIBS) $(CONFIG_LIBS) $(SSL_LIBS) $(MHD_LIBS) \
	$(JANSSON_LIBS) $(SQLITE_LIBS) $(PROTOBUF_C_LIBS) $(CAPNG_LIBS) $(XXHASH_LIBS) -lm -lpthread
