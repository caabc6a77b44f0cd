# Tests beside the floors' own: tools, the explorer, lint, the lab.
noinst_PROGRAMS += tests/tools/vipwatch
tests_tools_vipwatch_SOURCES = tests/tools/vipwatch.c

EXTRA_DIST += tests/e2e/lab.py tests/e2e/run.py tests/e2e/scenarios.py \
	tests/lint/clang-tidy.yml tests/lint/lint.sh .clang-format .ci/run

.PHONY: lint check-lab
lint: all
	$(srcdir)/tests/lint/lint.sh --self-test $(srcdir) $(builddir)
	$(srcdir)/tests/lint/lint.sh $(srcdir) $(builddir)

# The end-to-end scenarios; needs root and network namespaces.
check-lab: all
	python3 $(srcdir)/tests/e2e/run.py --build $(builddir) --keep $(builddir)/lab-failures
