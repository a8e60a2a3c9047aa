/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026, the kernel.livepatch authors */
/*
 * A patch with the system state 1 in version STATE_VERSION: /proc/cmdline reads "state 1 version N".
 * The kernel takes no patch with an older version of a state than one that is enabled has.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "state 1 version %d\n", STATE_VERSION);
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

static struct klp_state states[] = {
	{ .id = 1, .version = STATE_VERSION },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
	.states = states,
	.replace = true,
};

static int __init states_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit states_exit(void)
{
}

module_init(states_init);
module_exit(states_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
