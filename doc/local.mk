# Manual pages and decisions.
man_MANS += doc/ephord.8 doc/ephorctl.8 doc/ephor.conf.5 doc/ephor-plugins.7
EXTRA_DIST += $(man_MANS) doc/measurements.md \
	doc/decisions/0001-views-run-the-core.md \
	doc/decisions/0002-policy-in-the-state.md \
	doc/decisions/0003-restart-is-the-members.md \
	doc/decisions/0004-lateness-of-the-leader.md \
	doc/decisions/0005-leases-while-the-disk-is-full.md \
	doc/decisions/0006-out-of-reach.md \
	doc/decisions/0007-consensus-core.md \
	doc/decisions/0008-members-in-the-log.md \
	doc/decisions/0009-storage-failure-is-a-restart.md \
	doc/decisions/0010-only-the-leader-speaks.md \
	doc/decisions/0011-what-was-lost-is-remembered.md \
	doc/decisions/0012-new-links-beside-old-ones.md \
	doc/decisions/0013-a-policy-names-what-it-replaces.md \
	doc/decisions/0014-who-has-the-word.md \
	doc/decisions/0015-a-diagnosis-is-worked-out-not-kept.md \
	doc/decisions/0017-answers-add-up.md \
	doc/decisions/0018-a-step-looks-at-what-it-changes.md
