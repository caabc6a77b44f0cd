# Samples, the unit, the demo lab.
noinst_PROGRAMS += etc/lab/listen_exec
etc_lab_listen_exec_SOURCES = etc/lab/listen_exec.c
systemdsystemunit_DATA = etc/systemd/ephor.service
systemdsystemunitdir = @systemdsystemunitdir@
EXTRA_DIST += quickstart etc/lab/lab.sh etc/lab/local.sh etc/systemd/ephor.service \
	etc/systemd/ephor.sysusers
samplesdir = $(datadir)/ephor/examples
dist_samples_DATA = etc/samples/ephor.conf etc/samples/three-controllers.conf \
	etc/samples/reference.conf
