// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch of a system call whose address has several names: the kernel prints another one than this patch uses. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

static long patched_sys_pause(const struct pt_regs *registers)
{
	while (!signal_pending(current)) {
		__set_current_state(TASK_INTERRUPTIBLE);
		schedule();
	}
	return -ERESTARTNOHAND;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "__x64_sys_pause", .new_func = patched_sys_pause },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Patches pause(2) by one of the names of its address");
#include "enable_objects.h"
