# SPDX-License-Identifier: GPL-2.0
#
# For makefiles that say in a word what they do; V=1 shows the commands.
V ?= 0
ifneq ($(V),1)
.SILENT:
say := @printf '  %-4s %s\n'
else
say := @:
endif
