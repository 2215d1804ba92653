# SPDX-License-Identifier: GPL-2.0
#
# make help lists the targets. kbuild compiles beside its sources, and we build for several kernels at once: each gets a folder
# build/RELEASE with links to the sources, and its beancounter.ko there.

KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= 6.1
BUILD := $(CURDIR)/build
sources := $(CURDIR)/Kbuild $(CURDIR)/src $(CURDIR)/include $(CURDIR)/tests/kunit
inputs := $(shell find $(sources) -type f)

# Module BTF: pahole 1.24 fails on C++ debug information; without it -g stays for addr2line (Documentation/design.md).
kbuild = $(MAKE) --no-print-directory -C $(1) M=$(2) CONFIG_DEBUG_INFO_BTF_MODULES= $(KBUILD_OPTIONS) modules

all: module

# For the running kernel, or the one of KDIR=.
module:
	@test -e $(KDIR)/Makefile || { echo "no kernel headers at $(KDIR): install linux-headers-$$(uname -r), or name a folder with KDIR=" >&2; exit 1; }
	@release=$$($(MAKE) -s -C $(KDIR) kernelrelease) && $(MAKE) --no-print-directory build-in DIR=$(BUILD)/$$release && \
		cp $(BUILD)/$$release/beancounter.ko beancounter.ko && echo "beancounter.ko for $$release"

# What the linker has dropped is weak and undefined, which modpost takes for intended and the kernel for address 0.
build-in:
	@mkdir -p $(DIR)/tests && cp -asf $(CURDIR)/Kbuild $(CURDIR)/src $(CURDIR)/include $(DIR)/ && \
		cp -asf $(CURDIR)/tests/kunit $(DIR)/tests/
	@+flock $(DIR)/.lock $(call kbuild,$(KDIR),$(DIR))
	@for module in $(DIR)/*.ko; do \
		! nm $$module | grep -E ' [vw] ' && ! readelf -gW $$module 2>/dev/null | grep 'COMDAT group' || \
			{ rm $$module; echo "$$module: the linker dropped something, or may have (Kbuild says how): it would crash" >&2; exit 1; }; done

# For a release that scripts/kernel knows: build/6.1.0-56-amd64/beancounter.ko. What scripts/vm loads. kbuild says what is new.
$(BUILD)/%/beancounter.ko build/%/beancounter.ko: FORCE
	@+$(MAKE) --no-print-directory -s build-in KDIR=$$(scripts/kernel headers $*) DIR=$(BUILD)/$*

# The same with the suites of tests/kunit in it, for a debug kernel: tests/kunit/run.sh loads it.
$(BUILD)/%/beancounter_kunit.ko build/%/beancounter_kunit.ko: FORCE
	@+$(MAKE) --no-print-directory -s build-in KDIR=$$(scripts/kernel headers $*) DIR=$(BUILD)/$*/kunit KBUILD_OPTIONS=BC_KUNIT=1 && \
		cp -u $(BUILD)/$*/kunit/beancounter_kunit.ko $(BUILD)/$*/

# The test modules of that release.
$(BUILD)/%/tests/modules build/%/tests/modules: FORCE
	@+$(MAKE) --no-print-directory -s -C tests/modules KDIR=$$(scripts/kernel headers $*) OUT=$(BUILD)/$*/tests
FORCE:

# The user-space tool.
$(BUILD)/beanctl build/beanctl: FORCE
	@+$(MAKE) --no-print-directory -C src/beanctl OUT=$(BUILD)

workloads:
	@$(MAKE) --no-print-directory -s -C tests/selftest

check:
	@scripts/check all
check-host:
	@scripts/check host
check-vm:
	@scripts/check vm $(KERNEL)
demo:
	@scripts/demo
bench:
	@scripts/bench
bench-docs:
	@scripts/bench --docs
lint:
	@scripts/lint
soak:
	@scripts/soak
control:
	@scripts/control

kernels:
	@scripts/kernels

# Where modules are looked for.
install: module
	$(MAKE) -C $(KDIR) M=$(BUILD)/$$($(MAKE) -s -C $(KDIR) kernelrelease) modules_install
	$(MAKE) --no-print-directory -C src/beanctl OUT=$(BUILD) install

clean:
	rm -rf build beancounter.ko

help:
	@echo 'make             beancounter.ko for the running kernel, or for KDIR=folder of headers'
	@echo 'make demo        sets up by itself, then shows the main job on a stock kernel in a virtual machine'
	@echo 'make check       sets up by itself, then every test; make check-host: the part without a virtual machine'
	@echo 'make check-vm    one kernel: KERNEL=6.1, 6.12, debug, debug-6.1, debug-kcsan or debug-rt'
	@echo 'make soak        the long tests'
	@echo 'make control     real test suites, each test in a container: Documentation/control.md'
	@echo 'make kernels     every 6.1 and 6.12 that Debian serves: builds, loads, a smoke test; makes Documentation/kernels.md'
	@echo 'make bench       what it costs, in guest instructions, beside memcg and tracers; make bench-docs: into the documents, too'
	@echo 'make lint        formatting, clang-tidy, and what the hot path must not do'
	@echo 'make build/beanctl  the user-space tool'
	@echo 'make install     installs the module, beanctl, its man pages and completion (as root; PREFIX=/usr/local, DESTDIR=)'
	@echo 'make clean'
	@echo 'scripts/vm --help: any command on any of Debian'"'"'s kernels'

.PHONY: all module build-in workloads check check-host check-vm bench bench-docs demo lint soak control kernels install clean help FORCE
