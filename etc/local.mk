# Samples, the unit, the demo lab.
noinst_PROGRAMS += etc/lab/listen_exec
etc_lab_listen_exec_SOURCES = etc/lab/listen_exec.c
EXTRA_DIST += quickstart etc/lab/ephor.conf.in etc/lab/lab.sh etc/lab/local.sh \
	etc/lab/nginx-ctl etc/lab/node-init

systemdsystemunitdir = @systemdsystemunitdir@
nodist_systemdsystemunit_DATA = etc/systemd/ephor.service
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = etc/systemd/ephor.conf
CLEANFILES += etc/systemd/ephor.service etc/systemd/ephor.conf
EXTRA_DIST += etc/systemd/ephor.service.in etc/systemd/ephor.sysusers.in
etc/systemd/ephor.service etc/systemd/ephor.conf: Makefile
etc/systemd/ephor.service: $(top_srcdir)/etc/systemd/ephor.service.in
	$(AM_V_GEN)$(MKDIR_P) etc/systemd && $(EPHOR_SUBSTITUTE) \
	  $(top_srcdir)/etc/systemd/ephor.service.in >$@.tmp && mv $@.tmp $@
etc/systemd/ephor.conf: $(top_srcdir)/etc/systemd/ephor.sysusers.in
	$(AM_V_GEN)$(MKDIR_P) etc/systemd && $(EPHOR_SUBSTITUTE) \
	  $(top_srcdir)/etc/systemd/ephor.sysusers.in >$@.tmp && mv $@.tmp $@
EPHOR_SUBSTITUTE = sed -e 's|[@]sbindir[@]|$(sbindir)|g' -e 's|[@]sysconfdir[@]|$(sysconfdir)|g' \
	-e 's|[@]localstatedir[@]|$(localstatedir)|g'

samplesdir = $(datadir)/ephor/examples
dist_samples_DATA = etc/samples/ephor.conf etc/samples/three-controllers.conf \
	etc/samples/reference.conf
