# Named cases of the consensus core.
check_PROGRAMS += test_raft test_raft_lost test_raft_members
TESTS += test_raft test_raft_lost test_raft_members
test_raft_lost_SOURCES = tests/raft/test_raft_lost.c tests/raft/cluster.c tests/raft/cluster.h
test_raft_lost_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_raft_lost_LDADD = libraft.a libbase.a $(CHECK_LIBS)
test_raft_SOURCES = tests/raft/test_raft.c tests/raft/cluster.c tests/raft/cluster.h
test_raft_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_raft_LDADD = libraft.a libbase.a $(CHECK_LIBS)
test_raft_members_SOURCES = tests/raft/test_raft_members.c tests/raft/cluster.c tests/raft/cluster.h
test_raft_members_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
test_raft_members_LDADD = libraft.a libbase.a $(CHECK_LIBS)
