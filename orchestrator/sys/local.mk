# Floor 2: the hands. Only this folder knows libuv, libcurl, libssh2 and OpenSSL.
noinst_LIBRARIES += libsys.a
libsys_a_SOURCES = \
	orchestrator/sys/api_client.c orchestrator/sys/api_client.h \
	orchestrator/sys/cert.c orchestrator/sys/cert.h \
	orchestrator/sys/cluster_files.c orchestrator/sys/cluster_files.h \
	orchestrator/sys/cluster_files_parts.h \
	orchestrator/sys/cluster_renew.c \
	orchestrator/sys/exec.c orchestrator/sys/exec.h \
	orchestrator/sys/http_client.c orchestrator/sys/http_client.h \
	orchestrator/sys/http_request.c \
	orchestrator/sys/http_server.c orchestrator/sys/http_server.h \
	orchestrator/sys/http_server_parts.h \
	orchestrator/sys/link.c orchestrator/sys/link.h \
	orchestrator/sys/loop.c orchestrator/sys/loop.h \
	orchestrator/sys/notify.c orchestrator/sys/notify.h \
	orchestrator/sys/now.c orchestrator/sys/now.h \
	orchestrator/sys/ping.c orchestrator/sys/ping.h \
	orchestrator/sys/pki.c orchestrator/sys/pki.h \
	orchestrator/sys/pki_file.c orchestrator/sys/pki_file.h \
	orchestrator/sys/pki_trust.c orchestrator/sys/pki_trust.h \
	orchestrator/sys/process.c orchestrator/sys/process.h \
	orchestrator/sys/privileges.c orchestrator/sys/privileges.h \
	orchestrator/sys/results.c orchestrator/sys/results.h \
	orchestrator/sys/ssh.c orchestrator/sys/ssh.h \
	orchestrator/sys/ssh_hosts.c orchestrator/sys/ssh_hosts.h \
	orchestrator/sys/tls_connect.c \
	orchestrator/sys/tls_flood.c orchestrator/sys/tls_flood.h \
	orchestrator/sys/tls_identity.c orchestrator/sys/tls_identity.h \
	orchestrator/sys/tls_link.c orchestrator/sys/tls_link.h \
	orchestrator/sys/tls_parts.h \
	orchestrator/sys/tls_server.c orchestrator/sys/tls_server.h \
	orchestrator/sys/tls_socket.c orchestrator/sys/tls_socket.h \
	orchestrator/sys/tls_words.c orchestrator/sys/tls_words.h
libsys_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(UV_CFLAGS) $(CURL_CFLAGS) $(SSH2_CFLAGS) $(CAPNG_CFLAGS) $(MHD_CFLAGS) $(SSL_CFLAGS)

check_PROGRAMS += test_link test_loop test_ping
TESTS += test_link test_loop test_ping
test_ping_SOURCES = tests/unit/test_ping.c
test_ping_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_ping_LDADD = libsys.a libbase.a $(UV_LIBS) $(CHECK_LIBS)
test_loop_SOURCES = tests/unit/test_loop.c
test_loop_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_loop_LDADD = libsys.a libbase.a $(UV_LIBS) $(CHECK_LIBS)
test_link_SOURCES = tests/unit/test_link.c
test_link_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_link_LDADD = libsys.a libproto.a libbase.a $(UV_LIBS) $(PROTOBUF_C_LIBS) $(CHECK_LIBS) -lm

check_PROGRAMS += test_cluster_files test_pki test_tls_link test_tls_server
TESTS += test_cluster_files test_pki test_tls_link test_tls_server
test_cluster_files_SOURCES = tests/unit/test_cluster_files.c
test_cluster_files_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_cluster_files_LDADD = $(test_pki_LDADD) $(JANSSON_LIBS)
test_pki_SOURCES = tests/unit/test_pki.c
test_pki_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(SSL_CFLAGS)
test_pki_LDADD = libsys.a libbase.a $(UV_LIBS) $(SSL_LIBS) $(CHECK_LIBS) -lm
TLS_FIXTURE = tests/unit/tls_fixture.c tests/unit/tls_fixture.h
test_tls_link_SOURCES = tests/unit/test_tls_link.c $(TLS_FIXTURE)
test_tls_link_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_tls_link_LDADD = $(test_pki_LDADD)
test_tls_server_SOURCES = tests/unit/test_tls_server.c $(TLS_FIXTURE)
test_tls_server_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_tls_server_LDADD = $(test_pki_LDADD)
