// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch that uses a variable of the kernel which is not exported: /proc/cmdline ends in " livepatch=symbol".
 * lab/klp_symbols.py makes the reference one that the livepatch core resolves.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

/* Weak, because nothing else may be undefined when the module is linked. */
extern char *klp_sym__saved_command_line __weak;

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s livepatch=symbol\n", klp_sym__saved_command_line);
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

MODULE_DESCRIPTION("Refers to a symbol that the livepatch core resolves");
#include "enable_objects.h"
