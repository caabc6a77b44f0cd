# Floor 3: what is done on nodes.
noinst_LIBRARIES += libactions.a
libactions_a_SOURCES = actions/channel.c actions/channel.h
nodist_libactions_a_SOURCES = actions/programs.c
CLEANFILES += actions/programs.c
EXTRA_DIST += actions/scripts/lease.sh actions/scripts/order.sh

# The shell programs as C strings, without their comment lines.
actions/programs.c: $(top_srcdir)/actions/scripts/lease.sh $(top_srcdir)/actions/scripts/order.sh
	$(AM_V_GEN)$(MKDIR_P) actions && { \
	  echo '#include "actions/channel.h"'; \
	  for p in lease order; do \
	    echo "const char channel_$${p}_program[] ="; \
	    sed -e '/^ *#/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$$/\\n"/' \
	      $(top_srcdir)/actions/scripts/$$p.sh; \
	    echo ';'; \
	  done; } > $@.tmp && mv $@.tmp $@

check_PROGRAMS += test_lease
TESTS += test_lease tests/actor/test_scripts.py
dist_check_SCRIPTS = tests/actor/test_scripts.py
test_lease_SOURCES = tests/unit/test_lease.c
test_lease_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_lease_LDADD = libcore.a libbase.a $(CHECK_LIBS)
