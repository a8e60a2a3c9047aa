// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch that calls a function of the kernel's own module cordic: loading it fails until that one is loaded.
 * /proc/cmdline then reads "cordic 0".
 */
#include <linux/cordic.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "cordic %d\n", cordic_calc_iq(0).q >> CORDIC_PRECISION_SHIFT);
	return 0;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Calls a function of another module");
#include "enable_objects.h"
